"""Whatever a configuration or an environment says, the same is reviewed, and no program of theirs is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.git import INDEX, WORKING_TREE, grep_words
from dsassist.review import selection
from review_repositories import Repository, numbered, reviewed

_HOSTILE = {
    "diff.external": "{program}",
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.context": "0",
    "diff.interHunkContext": "99",
    "diff.renames": "false",
    "diff.renameLimit": "1",
    "diff.relative": "true",
    "diff.orderFile": "/nowhere",
    "diff.ignoreSubmodules": "all",
    "diff.algorithm": "patience",
    "diff.suppressBlankEmpty": "true",
    "diff.wordRegex": ".",
    "diff.colorMoved": "zebra",
    "color.ui": "always",
    "color.diff": "always",
    "core.quotePath": "true",
    "core.pager": "{program}",
    "core.fsmonitor": "{program}",
    "core.untrackedCache": "true",
    "core.attributesFile": "/nowhere",
    "core.commentChar": "%",
    "pager.diff": "{program}",
    "status.short": "true",
    "submodule.recurse": "true",
    "alias.diff-index": "!{program}",
    "alias.cat-file": "!{program}",
    "filter.evil.clean": "{program}",
    "diff.evil.textconv": "{program}",
    "diff.evil.command": "{program}",
    "grep.patternType": "perl",
}


def make_change(repository: Repository) -> None:
    repository.git("mv", "b.py", "c.py")
    repository.stage("c.py", numbered(30, line_8="line_8 = 'eight'"))
    repository.stage("a.py", numbered(30, line_2="line_2 = 'two'"))


def test_no_configuration_changes_what_is_reviewed(repository: Repository, tmp_path: Path) -> None:
    make_change(repository)
    repository.stage(".gitattributes", "*.py diff=evil filter=evil\n")
    repository.commit()
    repository.git("mv", "c.py", "b.py")
    repository.stage("b.py", numbered(30, line_8="line_8 = 'acht'"))
    repository.stage("a.py", numbered(30, line_2="line_2 = 'zwei'"))
    started, program = tmp_path / "started", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{started}'\nexit 1\n")
    program.chmod(0o755)
    with (repository.root / ".git" / "config").open("a") as config:
        for key, value in _HOSTILE.items():
            section, _, rest = key.partition(".")
            name, _, variable = rest.rpartition(".")
            quoted = f' "{name}"' if name else ""
            config.write(f"[{section}{quoted}]\n\t{variable} = {value.format(program=program)}\n")
    assert repository.git("config", "diff.evil.command") == str(program)
    assert reviewed(repository).lines == {"a.py": [2], "b.py": [8]}
    commit = selection.commit(repository.root, "HEAD")
    assert reviewed(repository, commit).lines == {".gitattributes": [1], "a.py": [2], "c.py": [8]}
    assert grep_words(["zwei"], INDEX, repository.root) == ["a.py"]
    assert grep_words(["zwei"], WORKING_TREE, repository.root) == ["a.py"]
    assert not started.exists()


def test_no_variable_changes_what_is_reviewed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    make_change(repository)
    for name, value in {
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_DIFF_OPTS": "-u0",
        "GIT_PAGER": "false",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NOGLOB_PATHSPECS": "1",
        "GIT_ICASE_PATHSPECS": "1",
        "GIT_ATTR_SOURCE": "nowhere",
        "LC_ALL": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    assert reviewed(repository).lines == {"a.py": [2], "c.py": [8]}


def test_from_a_folder_below_the_root_all_is_reviewed(repository: Repository) -> None:
    make_change(repository)
    below = repository.root / "below"
    below.mkdir()
    repository.git("config", "diff.relative", "true")
    assert sorted(reviewed(repository, selection.staged(below)).lines) == ["a.py", "c.py"]
