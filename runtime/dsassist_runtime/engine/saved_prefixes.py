"""Hot prefixes across restarts: the KV of the sequences used last, in files that the next engine finds them by.

A folder holds the prefixes of one model: `index.json` says of which, and which tokens lie in which file. A save builds
a new folder and puts it in the old one's place, so that what an index names is whole. A file is read when a prompt
begins with its tokens and the cache knows less of them. Whatever is wrong with a folder, nothing is lost but time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsassist_runtime.engine.prefix_cache import PrefixCache, common_prefix
from dsassist_runtime.errors import ModelMissing, NotDone
from dsassist_runtime.llama.context import Context
from dsassist_runtime.llama.library import PINNED

__all__ = ["SavedPrefixes"]

_LARGEST_BYTES = 256_000_000  # on disk, for a model
_MOST_MODELS = 3
_MOST_TOKENS = 16_384
_BEGUN = ".new"
_BEGUN_S = 600.0  # no save takes so long
_LEAST_TOKENS = 64  # fewer are evaluated sooner than read
_BLOCK_BYTES = 1 << 20
_WORTH_TOKENS = 32  # that a file must bring beyond what the cache has


@dataclass(frozen=True)
class _Saved:
    path: Path
    tokens: list[int]
    digest: str


class SavedPrefixes:
    """The folder of one model. `restore` and `save` belong to the decode loop's thread."""

    def __init__(self, root: Path, files: Sequence[Path], context: Context, cache: PrefixCache) -> None:
        """Read the index in `root`, of a model with its adapter; a missing or foreign one is no error."""
        self._context = context
        self._cache = cache
        self._identity = _identity(files)
        name = hashlib.sha256(json.dumps(self._identity).encode()).hexdigest()[:16]
        self._folder = root / name
        self._saved = self._read_index()

    def restore(self, tokens: list[int]) -> None:
        """Bring what is saved of the start of `tokens` into the cache, where that is worth reading a file."""
        known = self._cache.match(tokens)
        best = max(self._saved, key=lambda saved: common_prefix(saved.tokens, tokens), default=None)
        if best is None or common_prefix(best.tokens, tokens) < known + _WORTH_TOKENS:
            return
        self._saved.remove(best)
        # llama.cpp ends the process when a file is not what it should be, so the file is known to be what was written.
        if _digest(best.path) != best.digest or not self._cache.make_room(len(best.tokens)):
            return
        lease = self._cache.lease_empty()
        loaded = self._context.load_sequence(lease.sequence, len(best.tokens), best.path)
        if loaded == best.tokens:
            lease.extend(loaded)
        lease.release(keep=loaded == best.tokens)

    def save(self) -> tuple[int, int]:
        """Write the sequences used last, beside what is saved and was not read; how many, and their tokens.

        `NotDone` when the disk refuses; what was saved before is still there then.
        """
        fresh = self._folder.with_suffix(_BEGUN)
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True, mode=0o700)
            entries = self._write_hottest(fresh)
            entries += self._carry_over(fresh, len(entries))
            (fresh / "index.json").write_text(json.dumps({"identity": self._identity, "prefixes": entries}))
            shutil.rmtree(self._folder, ignore_errors=True)
            fresh.rename(self._folder)
            self._forget_other_models()
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise NotDone(f"the evaluated prompts could not be saved in {self._folder}: {error}") from error
        self._saved = []
        return len(entries), sum(len(entry["tokens"]) for entry in entries)

    def _write_hottest(self, folder: Path) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        written = 0
        for sequence, tokens in self._cache.hottest(_MOST_TOKENS):
            if len(tokens) < _LEAST_TOKENS:
                continue
            if written + self._context.saved_bytes(sequence, len(tokens)) > _LARGEST_BYTES:
                continue
            path = folder / f"{len(entries)}.kv"
            size = self._context.save_sequence(sequence, tokens, path)
            if not size or path.stat().st_size != size:
                raise OSError(f"{path.name} could not be written whole; is the disk full?")
            path.chmod(0o600)
            written += size
            entries.append({"file": path.name, "tokens": tokens, "digest": _digest(path)})
        return entries

    def _carry_over(self, folder: Path, first: int) -> list[dict[str, Any]]:
        """What an earlier engine saved and no prompt asked for yet, as far as there is room for it."""
        entries: list[dict[str, Any]] = []
        total = sum(path.stat().st_size for path in folder.iterdir())
        for saved in self._saved:
            with suppress(FileNotFoundError):
                total += saved.path.stat().st_size
                if total > _LARGEST_BYTES:
                    break
                name = f"{first + len(entries)}.kv"
                os.link(saved.path, folder / name)
                entries.append({"file": name, "tokens": saved.tokens, "digest": saved.digest})
        return entries

    def _forget_other_models(self) -> None:
        found = sorted(self._folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        begun = [path for path in found if path.suffix == _BEGUN]  # by an engine that ended, or one that saves now
        folders = [path for path in found if path.suffix != _BEGUN]
        old = [path for path in begun if path.stat().st_mtime < time.time() - _BEGUN_S]
        for folder in [*folders[:-_MOST_MODELS], *old]:
            shutil.rmtree(folder, ignore_errors=True)

    def _read_index(self) -> list[_Saved]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            index = json.loads((self._folder / "index.json").read_text())
            if index["identity"] == self._identity:
                return [
                    _Saved(
                        self._folder / Path(entry["file"]).name,
                        [int(token) for token in entry["tokens"]],
                        str(entry["digest"]),
                    )
                    for entry in index["prefixes"]
                ]
        return []


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty when it cannot be read, which is no digest of anything."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()
    except OSError:
        return ""


def _identity(files: Sequence[Path]) -> list[Any]:
    """What must be equal for KV to mean the same: the files, and the library that laid it out."""
    try:
        stats = [(path, path.stat()) for path in files]
    except OSError as gone:
        raise ModelMissing(f"{gone.filename} vanished while it was loaded; put it back, and load it again") from None
    return [*(value for path, stat in stats for value in (str(path), stat.st_size, stat.st_mtime_ns)), PINNED]
