"""A teacher writes middles for holes in a corpus, whatever its vocabulary; a student learns them as data.

written.jsonl    what was written so far, a hole a line, only ever added to
corpus/          the corpus with these texts as documents more, whose hole is what the teacher wrote
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

import numpy as np

from dsassist_runtime.api import InfillRequest, Sampling, TextStream
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_train.packing.folder import MIDDLE, CorpusFolder, Document, span_dtype, token_dtype
from dsassist_train.packing.holes import hole_in
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.text import DocumentText
from dsassist_train.tokenizer import load_tokenizer

__all__ = ["Writer", "write_middles", "write_taught_corpus"]

_PIECE_BYTES = 1_600  # about 450 tokens
_SUFFIX_BYTES = 600
_LEAST_BYTES = 200
_TEMPERATURE = 0.3
_MOST_TOKENS = 256


class Writer(Protocol):
    """The one method of an engine that is asked for."""

    def infill(self, request: InfillRequest) -> TextStream:
        """Write what belongs between prefix and suffix."""


class _Asked(NamedTuple):
    """A hole in a piece of a document: what stands around it, what of it is typed, and how many lines it has."""

    project: str
    path: str
    language: str
    before: str
    begun: str
    after: str
    n_lines: int
    n_bytes: int


def write_middles(
    corpus: CorpusFolder,
    writer: Writer,
    folder: Path,
    n_middles: int,
    seed: int,
    *,
    teacher: str = "",
    on_middle: Callable[[int], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Have the middles written that are missing; are all there? `NotDone` where there is no room.

    `teacher` is what the writer's model is known by: those of another one are refused.
    """
    path = folder / "written.jsonl"
    lines = _read(path, corpus, n_middles, seed)
    if any(line.get("teacher", "") != teacher for line in lines):
        raise DsassistError(f"{path} has middles of another teacher; name that, or begin in another folder (--out)")
    done = len(lines)
    _cut_unfinished(path)
    on_middle(done)
    for number, asked in enumerate(_holes(corpus, n_middles, seed)):
        if number < done:
            continue
        if should_stop():
            return False
        text = _written(writer, asked)
        line = {
            "seed": seed,
            "teacher": teacher,
            "project": asked.project,
            "path": asked.path,
            "language": asked.language,
            "before": asked.before,
            "middle": asked.begun + text,
            "after": asked.after,
        }
        _add(path, json.dumps(line))
        on_middle(number + 1)
    return True


def write_taught_corpus(corpus: CorpusFolder, folder: Path, n_middles: int, seed: int) -> CorpusFolder:
    """The corpus with what was written, in `folder / "corpus"`; `NotDone` where there is no room."""
    target = folder / "corpus"
    if (target / "documents.json").is_file():
        return CorpusFolder(target)
    made = folder / ".corpus.part"
    shutil.rmtree(made, ignore_errors=True)
    try:
        shutil.copytree(corpus.path, made)
        _add_documents(corpus, made, _read(folder / "written.jsonl", corpus, n_middles, seed))
        made.rename(target)
    except OSError as error:
        raise NotDone(f"cannot write {target}: {(error.strerror or str(error)).lower()}; make room") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return CorpusFolder(target)


def _holes(corpus: CorpusFolder, n_middles: int, seed: int) -> Iterator[_Asked]:
    """Of documents that are trained on, drawn by their size; a seed gives the same ones."""
    draw, encode = Random(f"{seed}:middles"), load_tokenizer(corpus.path / "tokenizer.json").encode  # noqa: S311
    numbers = [
        number
        for number, document in enumerate(corpus.documents)
        if document.split == "train" and document.n_bytes >= _LEAST_BYTES
    ]
    if not numbers:
        raise DsassistError(f"the corpus {corpus.path} has no document of {_LEAST_BYTES} bytes to write middles for")
    sizes = [corpus.documents[number].n_bytes for number in numbers]
    for number in draw.choices(numbers, sizes, k=n_middles):
        entry = corpus.documents[number]
        document = DocumentText(corpus.tokens_of(number).tolist(), corpus.vocabulary, encode)
        start = document.data.rfind(b"\n", 0, draw.randrange(len(document) - _LEAST_BYTES + 1)) + 1
        end = document.character_at(min(len(document), start + draw.randint(_LEAST_BYTES, _PIECE_BYTES)))
        hole = hole_in(document, corpus.spans_of(number), start, end, Mix(), draw, _SUFFIX_BYTES)
        yield _Asked(
            entry.project,
            entry.path,
            entry.language,
            document.text(start, hole.start),
            document.text(hole.start, max(hole.start, hole.cursor)),
            document.text(hole.end, end),
            document.data.count(b"\n", max(hole.start, hole.cursor), hole.end) + 1,
            hole.end - hole.start,
        )


def _written(writer: Writer, asked: _Asked) -> str:
    """What the teacher writes, no longer than what stood there: small models seldom end by themselves."""
    request = InfillRequest(
        asked.before,
        asked.after,
        begun=asked.begun,
        path=asked.path,
        repository=asked.project,
        max_tokens=min(_MOST_TOKENS, asked.n_bytes + 16),
        sampling=Sampling(temperature=_TEMPERATURE, seed=0),
        stop=("\n",) if asked.n_lines == 1 else (),
        priority="idle",
    )
    text = ""
    with writer.infill(request) as stream:
        for piece in stream:
            text += piece
            if text.count("\n") >= asked.n_lines:
                break
    return "\n".join(text.split("\n")[: asked.n_lines])


def _read(path: Path, corpus: CorpusFolder, n_middles: int, seed: int) -> list[dict[str, str]]:
    """The lines that are whole; `DsassistError` where they were written for other holes."""
    lines: list[dict[str, str]] = []
    with suppress(FileNotFoundError):
        whole = path.read_text(encoding="utf-8").split("\n")[:-1]
        lines = [json.loads(line) for line in whole]
    for line, asked in zip(lines, _holes(corpus, n_middles, seed), strict=False):
        if (line["before"], line["after"]) != (asked.before, asked.after):
            raise DsassistError(
                f"{path} has middles of another corpus, seed or number; name those, or begin in another folder (--out)"
            )
    return lines[:n_middles]


def _cut_unfinished(path: Path) -> None:
    """Leave out a last line that was not written to its end."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


def _add(path: Path, line: str) -> None:
    """Add a line; where that fails, what was there stays."""
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
    except OSError as error:
        raise NotDone(
            f"cannot write {path}: {(error.strerror or str(error)).lower()}; make room; what is there is kept"
        ) from error


def _add_documents(corpus: CorpusFolder, made: Path, written: list[dict[str, str]]) -> None:
    tokenizer = load_tokenizer(made / "tokenizer.json")
    index = json.loads((made / "documents.json").read_text(encoding="utf-8"))
    n_tokens, n_spans = len(corpus.tokens), len(corpus.spans)
    with (made / "tokens.bin").open("ab") as tokens_file, (made / "spans.bin").open("ab") as spans_file:
        for number, line in enumerate(written):
            text = line["before"] + line["middle"] + line["after"]
            ids, start = tokenizer.encode(text), len(line["before"].encode())
            end = start + len(line["middle"].encode())
            np.array(ids, token_dtype(index["dtype"])).tofile(tokens_file)
            np.array([(start, end, MIDDLE)], span_dtype()).tofile(spans_file)
            size = len(text.encode())
            places = n_tokens, n_tokens + len(ids), size, n_spans, n_spans + 1, ()
            path = f"{line['path']}#{number}"
            index["documents"].append(Document(line["project"], path, line["language"], "train", *places))
            n_tokens, n_spans = n_tokens + len(ids), n_spans + 1
    (made / "documents.json").write_text(json.dumps(index, separators=(",", ":")), encoding="utf-8")
