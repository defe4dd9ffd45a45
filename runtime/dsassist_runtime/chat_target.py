"""Where a chat goes: the user's own server with one of its models, or an OpenAI-compatible server at an address."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.defaults import Defaults, user_defaults
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.exchange import Door
from dsassist_runtime.remote.address import Address, parse_address
from dsassist_runtime.version import ENGINE_HEADER
from dsassist_runtime.wire import to_wire

__all__ = ["Local", "Remote", "target_of"]

# On the Unix socket only: the engine that this request is for, as the JSON of its `EngineSettings`.
_KEY_VARIABLE = "DSASSIST_API_KEY"


@dataclass(frozen=True)
class Local:
    """The server on the Unix socket; without the engine's header it answers with the model that it holds by default."""

    door: Door
    model: str
    headers: Mapping[str, str]

    @property
    def who(self) -> str:
        """The server's name in a sentence."""
        return "the dsassist server"


@dataclass(frozen=True)
class Remote:
    """A server at an address; `model` is empty for the first one that it lists."""

    address: Address
    model: str
    key: str = field(repr=False)

    @property
    def who(self) -> str:
        """The server's name in a sentence."""
        return f"the server at {self.address.base}"

    @property
    def headers(self) -> dict[str, str]:
        """What goes with each request."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def target_of(model: str | Path | EngineSettings | None, base_url: str | None, api_key: str | None) -> Local | Remote:
    """Who answers; `ModelMissing` and the like for a model that is not there, `DsassistError` for a bad address."""
    if base_url is not None:
        if isinstance(model, (Path, EngineSettings)):
            raise TypeError("a server at a base_url knows its models by name; give a str")
        return _remote(base_url, model or "", api_key)
    if isinstance(model, str) and "://" in model:
        return _remote(model, "", api_key)
    if model in (None, "", "default"):
        defaults = user_defaults()
        if defaults.address:
            return _remote(defaults.address, "", api_key)
        return Local(Door(defaults.engine, defaults.idle_timeout_s), "default", {})
    return _local(model)


def _local(model: str | Path | EngineSettings | None) -> Local:
    defaults = user_defaults()
    settings = model if isinstance(model, EngineSettings) else _settings(str(model), defaults)
    header = {ENGINE_HEADER: json.dumps(to_wire(settings))}
    return Local(Door(settings, defaults.idle_timeout_s), "default", header)


def _settings(model: str, defaults: Defaults) -> EngineSettings:
    """The model as editors and hooks would hold it, so that they share one engine."""
    from dsassist_runtime.models.store import resolve

    path = resolve(model).path.absolute()
    if path == defaults.engine.model_path:
        return defaults.engine
    return replace(defaults.engine, model_path=path, draft_model_path=None, lora_path=None)


def _remote(text: str, model: str, api_key: str | None) -> Remote:
    address = parse_address(text)
    key = os.environ.get(_KEY_VARIABLE, "") if api_key is None else api_key
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise DsassistError(f"the API key for {address.host} holds characters that no key has; check {_KEY_VARIABLE}")
    return Remote(address, model or address.model, key)
