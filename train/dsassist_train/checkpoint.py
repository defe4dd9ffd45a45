"""A training run on disk: one file that says all, written whole or not at all.

A checkpoint carries the model's config, the training settings, what corpus and tokenizer it was made with and where in
the data it stands, so that it loads with no options. It is read without unpickling code (`weights_only`).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dsassist_runtime.errors import NotDone
from dsassist_train.architecture import ModelConfig, Transformer
from dsassist_train.settings import TrainingSettings

__all__ = ["LAST", "STABLE", "Checkpoint", "load_checkpoint", "load_model", "save_checkpoint"]

LAST, STABLE = "last.pt", "stable.pt"
_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of a step."""

    config: ModelConfig
    settings: TrainingSettings
    corpus: str  # a fingerprint
    tokenizer: str  # the SHA-256 of tokenizer.json
    step: int
    tokens: int
    position: int  # in the data
    length: int  # of the sequences at that position
    model: dict[str, Any]
    optimizer: dict[str, Any]
    bug_position: int = 0  # in the functions with bugs


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write it in the place of the one before, which stays if this fails; `NotDone` says why."""
    values = {
        "format": _FORMAT,
        **{name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__},
        "config": checkpoint.config.as_json(),
        "settings": checkpoint.settings.as_json(),
    }
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            torch.save(values, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
        kept = f"the one before is kept ({path})" if path.exists() else "there is none yet"
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise NotDone(f"cannot write the checkpoint {path}: {reason}; make room; {kept}") from error
    finally:
        with contextlib.suppress(OSError):  # it is gone, or could never be made
            part.unlink()


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one; `NotDone` where there is none, or none of this version."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise NotDone(f"there is no checkpoint {path}; train one by `dsassist train fit`") from None
    except Exception as error:  # torch raises whatever the damage leads to: zip, pickle, end of file
        raise NotDone(f"{path} is no checkpoint, or a damaged one ({type(error).__name__}); take another") from error
    if not isinstance(values, dict) or values.pop("format", None) != _FORMAT:
        raise NotDone(
            f"{path} is no checkpoint of this version of dsassist; train anew, or use the version that wrote it"
        )
    values["config"] = ModelConfig.from_json(values["config"], str(path))
    values["settings"] = TrainingSettings.from_json(values["settings"])
    return Checkpoint(**values)


def load_model(path: Path) -> tuple[Transformer, Checkpoint]:
    """The model of a checkpoint, on the CPU; `NotDone` where there is none, or an adapter's."""
    checkpoint = load_checkpoint(path)
    if checkpoint.settings.lora_rank:
        raise NotDone(
            f"{path} is an adapter's (`dsassist train finetune --lora`), and no model's; take the GGUF that was written"
        )
    model = Transformer(checkpoint.config)
    model.load_state_dict(checkpoint.model)
    return model, checkpoint
