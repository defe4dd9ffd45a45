"""The configuration as the editor and the files make it: an editor's settings win over files and environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsassist.config import LoadedConfig, from_mapping, load
from dsassist.options import OPTIONS, value_of

__all__ = ["Settings"]

_ORIGIN = "the editor's settings"
_FRESH_S = 2.0


class Settings:
    """What holds in a folder. Bad values are replaced by what would hold without them, and stand in `notices`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._initial: object = None
        self._changed: object = None
        self._loaded: dict[Path, tuple[float, LoadedConfig]] = {}

    def initialize(self, options: object) -> None:
        """Take `initializationOptions`; they hold wherever `workspace/didChangeConfiguration` is silent."""
        self._initial = options
        self._loaded.clear()

    def change(self, settings: object) -> None:
        """Take the settings of a `workspace/didChangeConfiguration` in place of those before."""
        self._changed = settings
        self._loaded.clear()

    def loaded(self, folder: Path) -> LoadedConfig:
        """The configuration in a folder. Files are read again after two seconds: `dsassist model use` takes effect."""
        now = self._clock()
        found = self._loaded.get(folder)
        if found is None or now - found[0] > _FRESH_S:
            found = self._loaded[folder] = now, self._load(folder)
        return found[1]

    def _load(self, folder: Path) -> LoadedConfig:
        files = load(folder, lenient=True)
        config, notices = files.config, list(files.notices)
        for layer in (self._initial, self._changed):
            values, problem = _own_part(layer)
            notices += [problem] if problem else []
            config, found = from_mapping(values, _ORIGIN, config)
            notices += found
        changed = [key for key in OPTIONS if value_of(config, key) != value_of(files.config, key)]
        origins = files.origins | dict.fromkeys(changed, _ORIGIN)
        return LoadedConfig(config, origins, list(dict.fromkeys(notices)), files.root)


def _own_part(settings: object) -> tuple[Mapping[str, Any], str]:
    """Our settings out of what an editor sent, be they below "dsassist" or bare; and what is wrong with them."""
    if isinstance(settings, Mapping) and "dsassist" in settings:
        settings = settings["dsassist"]
    if isinstance(settings, Mapping):
        return settings, ""
    # Neovim writes an empty table as a list, VS Code sends null when it has nothing to tell.
    problem = "" if settings is None or settings == [] else f"{_ORIGIN} must be an object, not {settings!r}"
    return {}, problem
