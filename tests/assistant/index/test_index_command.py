"""`dsassist index`, run as its command."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from dsassist.commands.index import COMMAND
from dsassist_runtime.errors import DsassistError


def index(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    return COMMAND.run(parser.parse_args(arguments))


def test_an_index_is_built_shown_and_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("def f(): ...\n")
    assert index("--status", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"no index of {tmp_path}; `dsassist index` builds it\n"
    assert index(str(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert "files      1, and 0 left out" in out
    assert "1 stored, 0 removed" in err
    assert index("--json", "--rebuild", str(tmp_path)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["files"], figures["symbols"], figures["chunks"]) == (1, 1, 0)
    assert index("--forget", str(tmp_path)) == 0
    assert capsys.readouterr().out == f"forgot the index of {tmp_path}\n"
    assert not Path(figures["path"]).exists()


def test_a_folder_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match="is no folder; name the root of a workspace"):
        index(str(tmp_path / "none"))
