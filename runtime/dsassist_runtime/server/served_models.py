"""Which model a request is for: the server's own, or an installed one by its name. Never a file by its path.

The server's own model is the one that it was told to serve on TCP, as long as it lives; where nobody told it, the one
that our own clients asked for last, since that is what the person at this machine has chosen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.models import catalogue, store
from dsassist_runtime.server.error_answer import ModelNotServed
from dsassist_runtime.wire import from_wire

__all__ = ["ServedModels"]

_DEFAULT_NAMES = ("", "default")


class ServedModels:
    """Knows the server's own model, and finds the others."""

    def __init__(self, settings: EngineSettings | None, *, is_fixed: bool = False) -> None:
        """`is_fixed`: whatever our own clients ask for, others go on getting the model of `settings`."""
        self._own = settings
        self._is_fixed = is_fixed and settings is not None
        self._own_name = name_of(settings.model_path) if settings else ""

    @property
    def own_name(self) -> str:
        """The name of the server's own model; "" while it has none."""
        return self._own_name

    def choose(self, settings: EngineSettings) -> None:
        """One of our own clients asked for this model: from now on it is the server's own, unless that is fixed."""
        if settings != self._own and not self._is_fixed:
            self._own, self._own_name = settings, name_of(settings.model_path)

    def settings_for(self, name: object, header: str | None = None) -> tuple[EngineSettings, str]:
        """The settings and the name of the model that a request names, or that our own client gives in a header."""
        if header is not None:
            settings = _settings_in(header)
            self.choose(settings)
            return settings, name_of(settings.model_path)
        if name is None or name in _DEFAULT_NAMES or name == self._own_name:
            if self._own is None:
                raise ModelNotServed(f"no model is chosen yet; name one in the request: {', '.join(self.names())}")
            return self._own, self._own_name
        if not isinstance(name, str):
            raise RequestRefused("model must be the name of a model")
        path = _path_of(name)
        if path is None:
            raise ModelNotServed(f"there is no model {name!r} here; there is {', '.join(self.names())}")
        if self._own is None:
            return EngineSettings(path), name
        return replace(self._own, model_path=path, draft_model_path=None, lora_path=None), name

    def names(self) -> list[str]:
        """What may be named, the server's own model first."""
        installed = [entry.name for entry in catalogue.load().values() if store.is_installed(entry)]
        found = [self._own_name, "builtin", *installed]
        return list(dict.fromkeys(name for name in found if name))


def name_of(path: Path) -> str:
    """The name by which others ask for a model file: the catalogue's, or the file's own."""
    if path == store.BUILTIN_PATH:
        return "builtin"
    for entry in catalogue.load().values():
        if path == store.installed_path(entry):
            return entry.name
    return path.stem


def _path_of(name: str) -> Path | None:
    if name == "builtin":
        return store.BUILTIN_PATH
    entry = catalogue.load().get(name)
    return store.installed_path(entry) if entry is not None and store.is_installed(entry) else None


def _settings_in(header: str) -> EngineSettings:
    try:
        value = json.loads(header)
    except ValueError as error:
        raise RequestRefused(f"the header x-dsassist-engine is not JSON: {error}") from error
    return from_wire(EngineSettings, value, "engine")
