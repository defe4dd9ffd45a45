"""The folder of a corpus is written: vocabulary, tokens, places of holes, and the table of what was taken.

It is made beside its place and moved there when it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_train.corpus.building import CorpusTexts
from dsassist_train.corpus.files import SourceText
from dsassist_train.corpus.related import related_files
from dsassist_train.corpus.spans import spans_of
from dsassist_train.packing.folder import FILES, FORMAT, SPLITS, Document, Split, span_dtype, token_dtype
from dsassist_train.tokenizer import (
    TextTokenizer,
    differing_text,
    llama_vocabulary,
    load_tokenizer,
    take_over,
    train_tokenizer,
)

__all__ = ["CorpusFigures", "check_target", "write_corpus"]

_BATCH = 256
_COMPARED = 400  # texts of which llama.cpp must give the same ids
_COMPARED_CHARACTERS = 4_000

CorpusFigures = dict[str, Any]


def check_target(folder: Path) -> None:
    """`DsassistError` unless a corpus may be written here: in a new or empty folder, or in place of an older corpus."""
    try:
        if not folder.exists():
            return
        foreign = _foreign(folder)
    except OSError as error:
        raise DsassistError(
            f"{folder} cannot be read: {(error.strerror or str(error)).lower()}; name another folder with --out"
        ) from None
    if foreign is not None:
        raise DsassistError(f"{folder} holds something else than a corpus{foreign}; name another folder with --out")


def _foreign(folder: Path) -> str | None:
    """What of a folder is no corpus's, in brackets where it has a name; None where a corpus may take its place."""
    if not folder.is_dir():
        return ""
    files = sorted(folder.iterdir())
    if others := [file.name for file in files if file.name not in FILES or not file.is_file()]:
        return f" ({others[0]})"
    return None if not files or _is_index(folder / "documents.json") else " (documents.json is none of ours)"


def _is_index(file: Path) -> bool:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get("format"), int) and "documents" in found


def write_corpus(
    texts: CorpusTexts, folder: Path, n_vocab: int, vocabulary_of: Path | None, progress: Callable[[str], None]
) -> CorpusFigures:
    """Write `folder`, which `check_target` must let pass; returns what `sources.json` says."""
    check_target(folder)
    made = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    try:
        made.mkdir(parents=True)
        progress("vocabulary")
        tokenizer = _vocabulary(texts, made / "tokenizer.json", n_vocab, vocabulary_of)
        progress("tokens")
        documents = _write_documents(texts, tokenizer, made, progress)
        figures = _figures(texts, documents, tokenizer.n_vocab)
        (made / "sources.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except OSError as error:
        raise NotDone(
            f"the corpus could not be written to {folder}: {(error.strerror or str(error)).lower()}"
        ) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return figures


def _vocabulary(texts: CorpusTexts, path: Path, n_vocab: int, model: Path | None) -> TextTokenizer:
    """A new one from what is trained on, or that of `model`, which is compared with what llama.cpp makes of it.

    That may be a `tokenizer.json` as well.
    """
    if model is None:
        train_tokenizer((file.text for file, split in texts.files if split == "train"), n_vocab, path)
        return load_tokenizer(path)
    if model.suffix == ".json":
        shutil.copyfile(model, path)
        return load_tokenizer(path)
    take_over(model, path)
    tokenizer = load_tokenizer(path)
    step = max(1, len(texts.files) // _COMPARED)
    compared = (file.text[:_COMPARED_CHARACTERS] for file, _ in texts.files[::step])
    with llama_vocabulary(model) as other:
        if (text := differing_text(tokenizer, other, compared)) is not None:
            raise NotDone(
                f"the vocabulary of {model} cannot be taken over: llama.cpp gives other ids to a text that begins with "
                f"{text[:40]!r}; leave out --vocab"
            )
    return tokenizer


def _write_documents(
    texts: CorpusTexts, tokenizer: TextTokenizer, folder: Path, progress: Callable[[str], None]
) -> list[Document]:
    import numpy as np

    dtype = token_dtype(tokenizer.vocabulary.dtype)
    documents: list[Document] = []
    n_tokens = n_spans = 0
    with (folder / "tokens.bin").open("wb") as tokens_file, (folder / "spans.bin").open("wb") as spans_file:
        for (file, split), ids, related in _encoded(texts, tokenizer):
            data = file.text.encode()
            assert tokenizer.decode(ids) == data, f"{file.project} {file.path} does not decode to what it was"
            spans = spans_of(file.language, data, Random(f"{file.project}:{file.path}"))  # noqa: S311
            np.array(ids, dtype=dtype).tofile(tokens_file)
            np.array([tuple(span) for span in spans], dtype=span_dtype()).tofile(spans_file)
            ends = n_tokens + len(ids), n_spans + len(spans)
            documents.append(
                Document(
                    file.project,
                    file.path,
                    file.language,
                    split,
                    n_tokens,
                    ends[0],
                    len(data),
                    n_spans,
                    ends[1],
                    related,
                )
            )
            n_tokens, n_spans = ends
            if len(documents) % 2000 == 0:
                progress(f"tokens: {len(documents):,} of {len(texts.files):,} files")
    index = {
        "format": FORMAT,
        "dtype": tokenizer.vocabulary.dtype,
        "n_vocab": tokenizer.n_vocab,
        "documents": documents,
    }
    (folder / "documents.json").write_text(json.dumps(index, separators=(",", ":")), encoding="utf-8")
    return documents


def _encoded(
    texts: CorpusTexts, tokenizer: TextTokenizer
) -> Iterator[tuple[tuple[SourceText, Split], list[int], tuple[int, ...]]]:
    """Each file with its ids and the numbers of its related documents; those of a project and a split together."""
    first = 0
    for _, members in groupby(texts.files, key=lambda each: (each[0].project, each[1])):
        group = list(members)
        related = related_files([file for file, _ in group])
        for start in range(0, len(group), _BATCH):
            batch = group[start : start + _BATCH]
            encoded = tokenizer.encode_all([file.text for file, _ in batch])
            for each, ids, near in zip(batch, encoded, related[start:], strict=False):
                yield each, ids, tuple(first + j for j in near)
        first += len(group)


def _figures(texts: CorpusTexts, documents: Sequence[Document], n_vocab: int) -> CorpusFigures:
    taken = [asdict(each) for each in texts.projects]
    languages: dict[str, dict[str, dict[str, int]]] = {}
    for split in SPLITS:
        n_files: Counter[str] = Counter()
        n_bytes: Counter[str] = Counter()
        n_tokens: Counter[str] = Counter()
        for document in documents:
            if document.split == split:
                n_files[document.language] += 1
                n_bytes[document.language] += document.n_bytes
                n_tokens[document.language] += document.end - document.start
        languages[split] = {
            language: {"files": n_files[language], "bytes": n, "tokens": n_tokens[language]}
            for language, n in n_bytes.most_common()
        }
    return {
        "sources": list(texts.sources),
        "n_vocab": n_vocab,
        "languages": languages,
        "secrets_replaced": texts.n_secrets,
        "held_out_by_file": texts.held_out_by_file,
        "files_left_out": dict(texts.left_out.most_common()),
        "projects": sorted((each for each in taken if not each["left_out"]), key=lambda each: each["project"]),
        "projects_left_out": sorted((each for each in taken if each["left_out"]), key=lambda each: each["project"]),
    }
