"""What the folders beside us tell of installed packages is what `importlib.metadata` tells."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from dsassist.command import Command
from dsassist.installed import entry_point, version


@pytest.mark.parametrize("name", ["llama-cpp-python", "tree-sitter-python", "pytest"])
def test_versions_are_those_of_the_metadata(name: str) -> None:
    assert version(name) == metadata.version(name)


def test_what_is_not_installed_is_told_as_the_metadata_tells_it() -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        version("no-such-package")


def test_every_command_of_ours_is_found() -> None:
    commands = metadata.entry_points(group="dsassist.commands")
    assert len(commands) > 5
    for each in commands:
        found = entry_point("dsassist", "dsassist.commands", each.name)
        assert isinstance(found, Command)
        assert found is each.load()


def test_the_first_folder_on_the_path_counts_and_no_other_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Some_Tool-2.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[one]\nname = json:dumps\n\n[two]\nother=json:no_such\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import json

    assert version("some-tool") == "2.0"
    assert entry_point("some-tool", "one", "name") is json.dumps
    assert entry_point("some-tool", "two", "name") is None
    assert entry_point("some-tool", "two", "other") is None
    assert entry_point("no-such-package", "one", "other") is None


def test_a_package_that_stands_before_ours_on_the_path_takes_our_commands_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    for name, target in (("another", "json:dumps"), ("behind", "json:loads")):
        folder = tmp_path / name / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "entry_points.txt").write_text(f"[dsassist.commands]\nserve = {target}\n")
    ours = entry_point("dsassist", "dsassist.commands", "serve")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "behind")])
    assert entry_point("dsassist", "dsassist.commands", "serve") is ours
    monkeypatch.syspath_prepend(str(tmp_path / "another"))
    assert entry_point("dsassist", "dsassist.commands", "serve") is json.dumps
