"""What a model is watched on: sequences of source code, half of them with a hole where the model fills holes."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dsassist.index.files import is_indexed_path
from dsassist_runtime.errors import DsassistError
from dsassist_train.carving.sizes import LEAST_TOKENS, LENGTH
from dsassist_train.corpus.files import SourceText, read_source_text
from dsassist_train.packing.folder import CorpusFolder
from dsassist_train.tokenizer import llama_vocabulary

if TYPE_CHECKING:
    from dsassist_runtime.llama.model import Vocabulary

__all__ = ["standard_library", "token_sequences"]

_MOST_OF_FILE = 4  # sequences
_NOT_OURS = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo"})


def standard_library() -> Path:
    """The source of the running Python's own modules."""
    return Path(sysconfig.get_path("stdlib"))


def token_sequences(model: Path, folders: Sequence[Path], n_tokens: int, seed: int = 1) -> NDArray[np.int64]:
    """`(n, LENGTH)` ids from files of the folders, which may be corpora that `dsassist train corpus` made.

    `DsassistError` where they hold too little.
    """
    draw = Random(seed)  # noqa: S311  (a sample, not a secret)
    wanted = n_tokens // LENGTH
    found: list[list[int]] = []
    with llama_vocabulary(model) as vocabulary:
        for text in _texts(folders, draw):
            found += _sequences(vocabulary, text, draw)
            if len(found) >= wanted:
                return np.array(found[:wanted], np.int64)
    if len(found) * LENGTH < LEAST_TOKENS:
        raise DsassistError(
            f"the corpus has {len(found)} texts of {LENGTH} tokens, and {LEAST_TOKENS // LENGTH} are the least; "
            "name more folders of source code by --corpus"
        )
    return np.array(found, np.int64)


def _texts(folders: Sequence[Path], draw: Random) -> Iterator[str]:
    """Of all folders in turn, their files in an order drawn by chance."""
    sources = [_texts_of(folder, draw) for folder in folders]
    while sources:
        for source in list(sources):
            text = next(source, None)
            if text is None:
                sources.remove(source)
            else:
                yield text


def _texts_of(folder: Path, draw: Random) -> Iterator[str]:
    if (folder / "documents.json").exists():
        texts = [text for _, text in CorpusFolder(folder).texts("train")]
        draw.shuffle(texts)
        yield from texts
        return
    # Not `workspace_files`: a Python may be installed below a repository that ignores it.
    paths = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    paths = [path for path in paths if _NOT_OURS.isdisjoint(PurePosixPath(path).parts) and is_indexed_path(path)]
    draw.shuffle(paths)
    for path in paths:
        source = read_source_text(folder.name, folder, path, any_licence=True)
        if isinstance(source, SourceText):
            yield source.text


def _sequences(vocabulary: Vocabulary, text: str, draw: Random) -> list[list[int]]:
    """Of one file: from its beginning, as prompts often are, and from anywhere in what follows."""
    beginning = [vocabulary.bos] if vocabulary.adds_bos and vocabulary.bos is not None else []
    tokens = vocabulary.tokenize(text)
    marks = 3 if vocabulary.fim else 0
    size = LENGTH - len(beginning)
    found = []
    for start in range(0, len(tokens) - size + 1, size)[:_MOST_OF_FILE]:
        part = tokens[start : start + size - marks]
        if vocabulary.fim and draw.random() < 0.5:
            hole, end = sorted(draw.sample(range(1, len(part)), 2))
            end = min(end, hole + 64)
            fim = vocabulary.fim
            part = [fim.prefix, *part[:hole], fim.suffix, *part[end:], fim.middle, *part[hole:end]]
        else:
            part = tokens[start : start + size]
        found.append(beginning + part)
    return found
