"""From the configuration to an engine: which model it names, and who is asked for it.

That is the server of this machine, started when it does not run, or whatever stands at the address that `model` is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dsassist.config import LoadedConfig, is_address
from dsassist.options import EngineConfig
from dsassist.sizes import limit_bytes
from dsassist_runtime.api import Engine, EngineSettings
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.models.store import BUILTIN_NOTE, ResolvedModel, resolve

if TYPE_CHECKING:
    from dsassist_runtime.remote.engine import RemoteEngine

__all__ = [
    "RemoteModel",
    "engine_settings",
    "model_note",
    "open_engine",
    "open_remote_engine",
    "resolved_model",
    "settings_of",
]

# A completion of which nothing is heard for so long comes from an engine that hangs; a slow one is heard of.
_SILENCE_LIMIT_S = 120.0


@dataclass(frozen=True)
class RemoteModel:
    """A model at an address; which one it is, the server tells when it is asked."""

    name: str
    title: str
    kind: Literal["remote"] = "remote"


def resolved_model(loaded: LoadedConfig) -> ResolvedModel | RemoteModel:
    """The file behind `model`, or the address; `ModelMissing` and the like when there is none."""
    model = loaded.config.model
    if is_address(model):
        return RemoteModel(model, f"the model at {model}")
    return replace(resolve(model), lora=_lora_path(loaded.config.engine))


def model_note(model: ResolvedModel | RemoteModel) -> str | None:
    """What must stand beside the text of a model that nobody should judge dsassist by."""
    return BUILTIN_NOTE if model.kind == "builtin" else None


def engine_settings(loaded: LoadedConfig) -> EngineSettings:
    """How the server of this machine is to hold the model; `DsassistError` when it is elsewhere."""
    model = resolved_model(loaded)
    if isinstance(model, RemoteModel):
        raise DsassistError(f"model = {model.name!r} is an address, so there is nothing to serve here")
    return settings_of(model.path, loaded.config.engine)


def settings_of(path: Path, engine: EngineConfig) -> EngineSettings:
    """How the server is to hold the model at `path`; `ModelMissing` and the like for the draft model."""
    draft = resolve(engine.draft_model).path if engine.draft_model else None
    return EngineSettings(
        path,
        engine.n_ctx,
        engine.n_threads,
        engine.n_gpu_layers,
        draft,
        plan=engine.plan,
        ram_bytes=limit_bytes(engine.ram),
        vram_bytes=limit_bytes(engine.vram),
        lora_path=_lora_path(engine),
    )


def _lora_path(engine: EngineConfig) -> Path | None:
    return Path(engine.lora) if engine.lora else None


def open_engine(loaded: LoadedConfig, on_loading: Callable[[float], None] | None = None) -> Engine:
    """The engine that the configuration calls for; nothing is asked before the first request.

    On a terminal the loading of a model on this machine is shown.
    """
    if is_address(loaded.config.model):
        return open_remote_engine(loaded)
    from dsassist_runtime.client import Client

    return Client(
        engine_settings(loaded),
        idle_timeout_s=loaded.config.engine.idle_timeout_s,
        silence_limit_s=_SILENCE_LIMIT_S,
        on_loading=on_loading or (_show_loading if sys.stderr.isatty() else None),
    )


def open_remote_engine(loaded: LoadedConfig) -> RemoteEngine:
    """The engine at the address that `model` is. Consent is asked after at each request: it may be taken back."""
    from dsassist.consent import check_consent
    from dsassist.remote_key import find_api_key
    from dsassist_runtime.remote.address import parse_address
    from dsassist_runtime.remote.engine import RemoteEngine

    address, options = parse_address(loaded.config.model), loaded.config.engine
    return RemoteEngine(
        address,
        fim=options.remote_fim,
        timeout_s=options.remote_timeout_s,
        api_key=lambda: find_api_key(address, options.remote_key_variable),
        check_consent=lambda: check_consent(loaded.root, address),
    )


def _show_loading(share: float) -> None:
    end = "\r\033[K" if share >= 1 else ""
    print(f"\rloading the model {share:4.0%}", end=end, file=sys.stderr, flush=True)  # noqa: T201
