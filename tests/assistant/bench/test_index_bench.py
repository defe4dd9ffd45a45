"""`dsassist bench index` as a person calls it, with few files."""

from __future__ import annotations

import json

import pytest

from dsassist.cli import main
from dsassist.index.database import index_dir


def test_a_small_workspace_is_indexed_and_asked_and_nothing_of_it_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "index", "--files", "60", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure for figure in found["figures"]}
    assert found["bench"] == "index"
    assert found["settings"]["symbols"] > 60
    assert list(figures) == [
        "60 files: CPU to build",
        "60 files: size on disk",
        "60 files: CPU of a refresh without changes",
        "60 files: CPU of the context for a prompt",
        "6 files: CPU of the context for a prompt",
        "the same, all files / a tenth of them",
    ]
    assert all(figure["value"] > 0 for figure in figures.values())
    assert len(figures["60 files: CPU of the context for a prompt"]["samples"]) >= 40
    assert not list(index_dir().glob("dsa-index-*"))


@pytest.mark.parametrize("files", ["0", "many", "250001"])
def test_a_number_of_files_that_is_none_is_refused(files: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "index", "--files", files]) == 2
    assert "whole number from 1 to 250000" in capsys.readouterr().err
