"""The name by which answers are kept of a model: another file, or another llama.cpp, answers otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsassist.installed import version

if TYPE_CHECKING:
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["model_key"]


def model_key(model: ResolvedModel | RemoteModel) -> str | None:
    """Path, size and time of the model's files; None where it is no file here, or one that cannot be looked at."""
    if model.kind == "remote":
        return None
    files = [model.path] if model.lora is None else [model.path, model.lora]
    try:
        stats = [path.stat() for path in files]
    except OSError:  # the engine will say so
        return None
    told = [f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}" for path, stat in zip(files, stats, strict=True)]
    return ":".join([*told, version("llama-cpp-python")])
