"""What a program gets that names no model: the user's own, as `dsassist complete` in the same folder has it.

`dsassist_runtime.defaults` finds `defaults` in the entry-point group `dsassist.defaults`.
"""

from __future__ import annotations

from pathlib import Path

from dsassist.config import is_address, load
from dsassist.engine import settings_of
from dsassist_runtime.defaults import Defaults
from dsassist_runtime.models.store import BUILTIN_PATH, resolve

__all__ = ["defaults"]


def defaults() -> Defaults:
    """The configuration that holds in the working directory; a bad value in it is left out, for nobody reads of it."""
    config = load(Path.cwd(), lenient=True).config
    address = config.model if is_address(config.model) else ""
    path = BUILTIN_PATH if address else resolve(config.model).path
    engine = config.engine
    return Defaults(settings_of(path, engine), engine.idle_timeout_s, address)
