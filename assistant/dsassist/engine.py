"""From the configuration to an engine: which model it names, and the client that asks the server for it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dsassist.config import LoadedConfig
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.client import Client
from dsassist_runtime.models.store import BUILTIN_NOTE, ResolvedModel, resolve

__all__ = ["engine_settings", "model_note", "open_engine", "resolved_model"]


def resolved_model(loaded: LoadedConfig) -> ResolvedModel:
    """The file behind `model`; `ModelMissing` and the like when there is none."""
    return resolve(loaded.config.model)


def model_note(model: ResolvedModel) -> str | None:
    """What must stand beside the text of a model that nobody should judge dsassist by."""
    return BUILTIN_NOTE if model.kind == "builtin" else None


def engine_settings(loaded: LoadedConfig) -> EngineSettings:
    """How the server is to hold the model."""
    engine = loaded.config.engine
    return EngineSettings(resolved_model(loaded).path, engine.n_ctx, engine.n_threads, engine.n_gpu_layers)


def open_engine(loaded: LoadedConfig, on_loading: Callable[[float], None] | None = None) -> Client:
    """A client of the server, which starts with the first request. On a terminal the loading of the model is shown."""
    return Client(
        engine_settings(loaded),
        idle_timeout_s=loaded.config.engine.idle_timeout_s,
        on_loading=on_loading or (_show_loading if sys.stderr.isatty() else None),
    )


def _show_loading(share: float) -> None:
    end = "\r\033[K" if share >= 1 else ""
    print(f"\rloading the model {share:4.0%}", end=end, file=sys.stderr, flush=True)  # noqa: T201
