"""What the end-to-end tests share: a shop with a change that swaps two arguments, staged in a real repository."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dsassist import config
from dsassist_runtime import places
from hook_repositories import git

_BACKUP = '''\
"""Keep a copy of a folder."""

import shutil
from pathlib import Path


def backup(source: Path, target: Path) -> int:
    """Copy the files of source that target lacks; return how many."""
    copied = 0
    for path in source.rglob("*"):
        destination = target / path.relative_to(source)
        if path.is_file() and not destination.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            @
            copied += 1
    return copied
'''


@dataclass(frozen=True)
class Shop:
    """A repository whose first commit copies files by their bytes; `write` replaces that statement and stages it."""

    root: Path

    def write(self, statement: str) -> None:
        (self.root / "backup.py").write_text(_BACKUP.replace("@", statement))
        git("add", ".", cwd=self.root)

    def n_commits(self) -> int:
        return int(git("rev-list", "--count", "HEAD", cwd=self.root).stdout)


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dsassist` and `pre-commit` are found as an active virtual environment has it."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def shop(tmp_path: Path, on_path: None, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The repository with its first commit, as the working directory."""
    shop = Shop(tmp_path / "shop")
    shop.root.mkdir()
    git("init", "-q", cwd=shop.root)
    shop.write("destination.write_bytes(path.read_bytes())")
    git("commit", "-q", "-m", "Back up a folder", cwd=shop.root)
    monkeypatch.chdir(shop.root)
    return shop


@pytest.fixture
def configured(real_model: Path, server: Path) -> Path:
    """The user's own configuration names the real model, as `dsassist model use` writes it."""
    places.make_writable(places.config_dir())
    config.user_file().write_text(f'model = "{real_model}"\n')
    return real_model
