"""A real repository for each test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from review_repositories import Repository, numbered

_RECORDER = """\
import json, os, sys
from pathlib import Path
from review_repositories import reviewed
seen = reviewed(Path.cwd())
with open(sys.argv[1], "a") as log:
    texts = {path: file.source.text for path, file in seen.files.items()}
    log.write(json.dumps({"hook": sys.argv[2], "lines": seen.lines, "texts": texts, "reasons": seen.reasons}) + "\\n")
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that each test gets a copy of: every start of git takes time."""
    made = Repository(tmp_path_factory.mktemp("template"))
    made.git("init", "--quiet", "--initial-branch=main", "--template=", GIT_CONFIG_GLOBAL=os.devnull)
    with (made.root / ".git" / "config").open("a") as config:
        config.write("[user]\n\tname = Test\n\temail = test@example.com\n[core]\n\tautocrlf = false\n")
    made.commit(a=numbered(30), b=numbered(30))
    return made.root


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Repository:
    """A repository whose HEAD has `a.py` and `b.py` with 30 numbered lines each."""
    shutil.copytree(template, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")


@pytest.fixture
def empty(tmp_path: Path) -> Repository:
    """A repository without a commit."""
    root = tmp_path / "empty"
    root.mkdir()
    made = Repository(root)
    made.git("init", "--quiet")
    return made


@pytest.fixture
def recording(tmp_path: Path) -> Callable[[Repository, str], Path]:
    """Installs a hook that writes down, as a JSON line, what a review within it looks at; gives the log."""

    def install(repository: Repository, hook: str = "pre-commit") -> Path:
        program, log = tmp_path / "recorder.py", tmp_path / "log.jsonl"
        program.write_text(_RECORDER)
        log.touch()
        path = ":".join(sys.path)
        script = repository.root / repository.git("rev-parse", "--git-path", f"hooks/{hook}")
        script.parent.mkdir(exist_ok=True)
        script.write_text(
            f"#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='{path}'\n"
            f"exec '{sys.executable}' '{program}' '{log}' {hook}\n"
        )
        script.chmod(0o755)
        return log

    return install
