"""Reports of `dsassist review` on real repositories; the model's opinions are made up."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dsassist.commands.review import COMMAND, run
from dsassist.review.reports import FORMATS
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.testing import ScriptedEngine

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]
Prefers = Callable[[str, float], Scorer]
Check = Callable[[str, Any], None]

CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return 'é𐐀' if value > low else value + high
"""
FIXED = CLAMP.replace("value > low", "value > high")


@pytest.fixture(autouse=True)
def model(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (isolated / "some-model.gguf").touch()
    monkeypatch.setenv("DSASSIST_MODEL", str(isolated / "some-model.gguf"))


@pytest.fixture
def review(prefers: Prefers) -> Callable[..., int]:
    """The command with a model that finds the bug of `CLAMP`."""

    def make(*arguments: str) -> int:
        parser = argparse.ArgumentParser()
        COMMAND.add_arguments(parser)
        return run(
            parser.parse_args(["--deadline", "600", *arguments]),
            lambda _: ScriptedEngine(score=prefers("value > high", 9.0)),
        )

    return make


def stage(root: Path, name: str | bytes, content: bytes) -> None:
    path = root / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    subprocess.run(["git", "add", "--", path], cwd=root, check=True)


@pytest.mark.parametrize("where", [".", "src"])
@pytest.mark.parametrize("arguments", [[], ["PATH"]])
def test_paths_count_from_the_root_wherever_the_command_runs(
    repository: Path,
    review: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    arguments: list[str],
) -> None:
    stage(repository, "src/a b.py", CLAMP.encode())
    monkeypatch.chdir(repository / where)
    paths = [os.path.relpath(repository / "src" / "a b.py")] if arguments else []
    found = {}
    for name in FORMATS:
        assert review("--format", name, *paths) == 1
        found[name] = capsys.readouterr().out
    (result,) = json.loads(found["sarif"])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "src/a%20b.py"
    assert json.loads(found["gitlab"])[0]["location"]["path"] == "src/a b.py"
    assert found["github"].startswith("::warning file=src/a b.py,line=4,")
    assert "`src/a b.py:4`" in found["markdown"]
    assert (Path.cwd() / json.loads(found["rdjsonl"])["location"]["path"]).samefile(repository / "src" / "a b.py")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_suggestion_for_reviewdog_mends_the_file(
    repository: Path, review: Callable[..., int], capsys: pytest.CaptureFixture[str], line_end: str
) -> None:
    content = CLAMP.replace("\n", line_end).encode()
    stage(repository, "a.py", content)
    assert review("--format", "rdjsonl") == 1
    (suggestion,) = json.loads(capsys.readouterr().out)["suggestions"]
    start, end = suggestion["range"]["start"], suggestion["range"]["end"]
    lines = content.split(b"\n")
    assert start["line"] == end["line"]
    line = lines[start["line"] - 1]
    lines[start["line"] - 1] = line[: start["column"] - 1] + suggestion["text"].encode() + line[end["column"] - 1 :]
    assert b"\n".join(lines) == FIXED.replace("\n", line_end).encode()


def test_a_name_that_is_not_utf_8_goes_into_every_format(
    repository: Path, review: Callable[..., int], capsys: pytest.CaptureFixture[str], check_schema: Check
) -> None:
    stage(repository, b"n\xf6\n.py", CLAMP.encode())
    found = {}
    for name in FORMATS:
        assert review("--format", name, "--output", "report") == 1
        found[name] = (repository / "report").read_bytes().decode("utf-8")
    assert capsys.readouterr().out == ""
    sarif = json.loads(found["sarif"])
    check_schema("sarif-2.1.0", sarif)
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "n%F6%0A.py"
    assert json.loads(found["gitlab"])[0]["location"]["path"] == "n\ufffd\n.py"
    assert os.fsencode(json.loads(found["json"])["findings"][0]["path"]) == b"n\xf6\n.py"
    assert found["text"].startswith("n\\udcf6\\n.py:4:")


def test_a_report_in_a_file_leaves_stdout_empty_and_the_summary_on_stderr(
    repository: Path, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    stage(repository, "a.py", CLAMP.encode())
    assert review("--output", "report.txt") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "dsassist: reviewed 1 function in 1 file with some-model.gguf in " in err
    text = (repository / "report.txt").read_text()
    assert text.startswith("a.py:4:")
    assert "\n\nreviewed 1 function in 1 file with some-model.gguf in " in text


@pytest.mark.parametrize("name", FORMATS)
def test_with_nothing_staged_there_is_a_report_all_the_same(
    repository: Path, review: Callable[..., int], check_schema: Check, name: str
) -> None:
    assert review("--format", name, "--output", "report") == 0
    text = (repository / "report").read_text()
    if name == "sarif":
        check_schema("sarif-2.1.0", json.loads(text))
    elif name == "gitlab":
        assert json.loads(text) == []
    else:
        assert (text == "") == (name == "rdjsonl")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_reviewed(repository: Path) -> None:
    stage(repository, "a.py", CLAMP.encode())

    def must_not_start(_: object) -> ScriptedEngine:
        raise AssertionError("it was refused")

    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    with pytest.raises(DsassistError, match="there is no folder gone; make it first"):
        run(parser.parse_args(["--output", "gone/report.json"]), must_not_start)


def test_the_formats_are_not_imported_where_nothing_is_reviewed(repository: Path) -> None:
    code = (
        "import sys; from dsassist.cli import main; code = main(['review']);"
        "print(code, [name for name in sys.modules if name.startswith('dsassist.review.reports')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
