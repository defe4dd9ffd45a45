"""A model to begin with: a GGUF of ours by its name or path, or a run's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dsassist_runtime.api import FimOrder
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.models.store import resolve
from dsassist_runtime.models.writing import sha256_of
from dsassist_train.architecture import Transformer
from dsassist_train.checkpoint import LAST, load_model
from dsassist_train.importing import import_gguf
from dsassist_train.packing.folder import CorpusFolder
from dsassist_train.tokenizer import Vocabulary, load_vocabulary

__all__ = ["BOTH_ORDERS", "Start", "check_tokenizer", "check_vocabulary", "start_from"]

BOTH_ORDERS: tuple[FimOrder, ...] = ("spm", "psm")


class Start(NamedTuple):
    """A model as it is before it is trained on. `gguf` is its file, None of a run; `tokenizer` a GGUF or JSON file."""

    model: Transformer
    name: str
    vocabulary: Vocabulary
    tokenizer: Path
    gguf: Path | None
    fim_orders: tuple[FimOrder, ...]
    digest: str


def start_from(name: str) -> Start:
    """Read it; `ModelError` or `NotDone` where there is none that can be trained on."""
    path = Path(name)
    if path.is_dir() or path.suffix == ".pt":
        path = path / LAST if path.is_dir() else path
        model, checkpoint = load_model(path)
        tokenizer = path.parent / "tokenizer.json"
        check_tokenizer(tokenizer, checkpoint.tokenizer, path)
        run = path.resolve().parent.name
        return Start(model, run, load_vocabulary(tokenizer), tokenizer, None, BOTH_ORDERS, sha256_of(path))
    path = resolve(name).path
    found = import_gguf(path)
    return Start(found.model, found.name, found.vocabulary, path, path, found.fim_orders, sha256_of(path))


def check_vocabulary(start: Start, corpus: CorpusFolder) -> None:
    """`DsassistError` unless the corpus was made with the model's vocabulary."""
    if start.vocabulary != corpus.vocabulary:
        raise DsassistError(
            f"the corpus {corpus.path} has another vocabulary than {start.name}; make it by `dsassist train corpus "
            "DIR --vocab MODEL`, or name the sources instead"
        )


def check_tokenizer(path: Path, expected: str, checkpoint: Path) -> None:
    """`NotDone` or `DsassistError` unless this is the tokenizer that a checkpoint was trained with."""
    try:
        found = sha256_of(path)
    except OSError:
        raise NotDone(f"{path} is missing; copy the corpus's tokenizer.json beside {checkpoint.name}") from None
    if found != expected:
        raise DsassistError(
            f"{path} is not the tokenizer that {checkpoint.name} was trained with; copy that of its corpus there"
        )
