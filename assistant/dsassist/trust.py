"""Which repositories' configuration files the user has consented to: their paths and the SHA-256 of what stood in them.

A changed file is another file, so whoever can push to a repository cannot widen a consent that was given before.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from dsassist.records import read_record, write_record

__all__ = ["is_trusted", "revoke_trust", "trust"]

_RECORD = "trust"


def trust(file: Path, content: bytes) -> None:
    """Consent to a file with this content."""
    _write(_read() | {_name(file): _digest(content)})


def revoke_trust(file: Path) -> bool:
    """Take the consent back; False if there was none."""
    trusted = _read()
    if trusted.pop(_name(file), None) is None:
        return False
    _write(trusted)
    return True


def is_trusted(file: Path, content: bytes) -> bool:
    """Whether the user consented to this file with just this content."""
    return _read().get(_name(file)) == _digest(content)


def _name(file: Path) -> str:
    # The folder's links are followed (macOS: /tmp), the file's own is not: its target may serve another repository too.
    return str(file.parent.resolve() / file.name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read() -> dict[str, str]:
    files = read_record(_RECORD).get("files")
    if not isinstance(files, dict):
        return {}
    return {str(name): digest for name, digest in files.items() if isinstance(digest, str)}


def _write(trusted: dict[str, str]) -> None:
    write_record(_RECORD, {"files": trusted})
