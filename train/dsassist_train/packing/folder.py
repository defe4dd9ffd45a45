"""A packed corpus: one folder with the tokens of all documents, what each of them is, and where holes can be cut.

    tokens.bin       the documents' ids, uint16 or uint32 in little endian, one document behind the other, no marks
    documents.json   which document lies where, of which project, in which language, and whether it is held out
    spans.bin        calls, arguments and blocks: (start, end, kind), offsets in bytes of the document
    tokenizer.json   the vocabulary
    sources.json     for people: the projects with their licences, and what was left out

Written when a corpus is built, which needs grammars; read where a model is trained, which needs one for bugs alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from dsassist_runtime.errors import DsassistError
from dsassist_train.tokenizer import Vocabulary, load_vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ARGUMENT",
    "BLOCK",
    "CALL",
    "FILES",
    "FORMAT",
    "MIDDLE",
    "SPLITS",
    "CorpusFolder",
    "Document",
    "Span",
    "Split",
    "span_dtype",
    "token_dtype",
]

Split = Literal["train", "valid"]
SPLITS: tuple[Split, ...] = get_args(Split)

CALL, ARGUMENT, BLOCK, MIDDLE = 0, 1, 2, 3
"""Kinds of spans: what stands between the brackets of a call, one argument of it, the body of a block; and what a
teacher wrote in the place of a hole, which is to be the hole of its piece."""

FORMAT = 1
"""Of the folder, as `documents.json` states it."""

FILES = frozenset({"documents.json", "sources.json", "spans.bin", "tokenizer.json", "tokens.bin"})
"""All that a corpus's folder has."""


class Span(NamedTuple):
    """A place in a document, in bytes; a block begins at its first statement and ends with its last line."""

    start: int
    end: int
    kind: int


class Document(NamedTuple):
    """A file of the corpus. `start` and `end` count tokens, `first_span` and `last_span` spans (the last is outside).

    `related` are the numbers of other documents of its project that it imports, or that lie beside it.
    """

    project: str
    path: str
    language: str
    split: Split
    start: int
    end: int
    n_bytes: int
    first_span: int
    last_span: int
    related: tuple[int, ...]


def token_dtype(name: str) -> Any:
    """Of `tokens.bin`, by its name in `documents.json`."""
    import numpy as np

    return np.dtype("<u2" if name == "uint16" else "<u4")


def span_dtype() -> Any:
    """Of `spans.bin`."""
    import numpy as np

    return np.dtype([("start", "<u4"), ("end", "<u4"), ("kind", "u1")])


@dataclass(frozen=True)
class CorpusFolder:
    """A packed corpus that is read; its arrays are mapped, not loaded."""

    path: Path

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What its ids stand for."""
        return load_vocabulary(self.path / "tokenizer.json")

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """All documents, in the order of their tokens."""
        entries: list[list[Any]] = self._index["documents"]
        return tuple(Document._make([*entry[:-1], tuple(entry[-1])]) for entry in entries)  # JSON has no tuples

    @cached_property
    def tokens(self) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """The ids of all documents, `(n_tokens,)`."""
        found = self._mapped("tokens.bin", token_dtype(self._index["dtype"]))
        if self.documents and len(found) != self.documents[-1].end:
            raise self._damaged(f"tokens.bin has {len(found)} tokens, and {self.documents[-1].end} are listed")
        if len(self.vocabulary.pieces) != self._index["n_vocab"]:
            raise self._damaged("tokenizer.json has another number of tokens than the corpus was made with")
        return found

    @cached_property
    def spans(self) -> NDArray[Any]:
        """All spans, as `span_dtype` has them."""
        found = self._mapped("spans.bin", span_dtype())
        if self.documents and len(found) != self.documents[-1].last_span:
            raise self._damaged(f"spans.bin has {len(found)} spans, and {self.documents[-1].last_span} are listed")
        return found

    def tokens_of(self, number: int) -> NDArray[Any]:
        """The ids of one document."""
        document = self.documents[number]
        return self.tokens[document.start : document.end]

    def spans_of(self, number: int) -> list[Span]:
        """Where holes can be cut in one document."""
        document = self.documents[number]
        return [Span(*map(int, each)) for each in self.spans[document.first_span : document.last_span]]

    def bytes_of(self, number: int) -> bytes:
        """The UTF-8 text of one document."""
        return self.vocabulary.decode(self.tokens_of(number).tolist())

    def texts(self, split: Split) -> Iterator[tuple[Document, str]]:
        """The documents of a split with their texts."""
        for number, document in enumerate(self.documents):
            if document.split == split:
                yield document, self.bytes_of(number).decode("utf-8")

    @cached_property
    def _index(self) -> dict[str, Any]:
        file = self.path / "documents.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DsassistError(
                f"{self.path} is no corpus (it has no documents.json); make one by `dsassist train corpus DIR --out "
                f"{self.path}`"
            ) from None
        except (OSError, ValueError) as error:
            raise self._damaged(f"documents.json cannot be read: {error}") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise self._damaged("documents.json is of another version")
        return found

    def _mapped(self, name: str, dtype: Any) -> NDArray[Any]:
        import numpy as np

        file = self.path / name
        try:
            if file.stat().st_size % dtype.itemsize:
                raise self._damaged(f"{name} ends within a number")
            return np.memmap(file, dtype=dtype, mode="r") if file.stat().st_size else np.zeros(0, dtype)
        except OSError as error:
            raise self._damaged(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None

    def _damaged(self, what: str) -> DsassistError:
        return DsassistError(f"the corpus {self.path} is damaged: {what}; make it anew by `dsassist train corpus`")
