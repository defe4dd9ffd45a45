"""`dsassist review` with a baseline, with fixes and with questions; the terminal is a real one."""

from __future__ import annotations

import argparse
import json
import os
import pty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dsassist.commands.review import COMMAND, run
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.testing import ScriptedEngine
from hook_repositories import git

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]
Prefers = Callable[[str, float], Scorer]
Type = Callable[[str], None]

CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""
FIXED = CLAMP.replace("value > low", "value > high")
BASELINE = ".dsassist-baseline.json"


@pytest.fixture(autouse=True)
def model(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (isolated / "some-model.gguf").touch()
    monkeypatch.setenv("DSASSIST_MODEL", str(isolated / "some-model.gguf"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "a.py").write_text(CLAMP)
    git("add", ".", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Type]:
    """Types into the terminal that standard input is."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield lambda text: (os.write(master, text.encode()), None)[1]
    os.close(master)


@pytest.fixture
def review(prefers: Prefers) -> Callable[..., int]:
    def start(*arguments: str) -> int:
        parser = argparse.ArgumentParser()
        COMMAND.add_arguments(parser)
        scorer = prefers("value > high", 20.0)
        return run(parser.parse_args(arguments), lambda _: ScriptedEngine(score=scorer))

    return start


Review = Callable[..., int]


def test_a_finding_in_the_baseline_is_counted_and_stops_nothing(
    repository: Path, review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review() == 1
    assert review("--update-baseline") == 0
    (entry,) = [json.loads(line) for line in (repository / BASELINE).read_text().splitlines()]
    assert (entry["code"], entry["path"], len(entry["fingerprint"])) == ("DSA101", "a.py", 16)
    assert review() == 1, "it is not staged, so it is no part of the commit"
    git("add", BASELINE, cwd=repository)
    capsys.readouterr()
    assert review() == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "; 1 in the baseline" in captured.err
    git("add", ".", cwd=repository)
    (repository / "a.py").write_text(CLAMP.replace("return high if", "return 1 + high if"))
    git("add", ".", cwd=repository)
    assert review() == 1, "the statement has changed"


def test_whole_files_have_the_same_baseline_from_any_folder(
    repository: Path, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "pkg").mkdir()
    (repository / "pkg" / "b.py").write_text(CLAMP)
    assert review("pkg/b.py", "--update-baseline") == 0
    monkeypatch.chdir(repository / "pkg")
    assert review("b.py") == 0
    (repository / "pkg" / "b.py").write_text(FIXED)
    assert review("b.py", "--update-baseline") == 0
    assert (repository / BASELINE).read_text() == "", "a file that was reviewed whole loses what is gone"


def test_a_baseline_may_be_named(repository: Path, review: Review, tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match="there is no baseline"):
        review("--baseline", "known.json")
    assert review("--baseline", "known.json", "--update-baseline") == 0
    assert review("--baseline", "known.json") == 0
    assert not (repository / BASELINE).exists()


def test_a_baseline_keeps_what_the_file_has_whatever_is_reviewed(repository: Path, review: Review) -> None:
    (repository / "b.py").write_text(CLAMP)
    assert review("b.py", "--update-baseline") == 0
    assert review("--update-baseline") == 0, "of what is staged, which has no baseline yet"
    git("commit", "-q", "-m", "one", cwd=repository)
    assert review("--commit", "HEAD", "--update-baseline") == 0
    paths = [json.loads(line)["path"] for line in (repository / BASELINE).read_text().splitlines()]
    assert paths == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--update-baseline", "--fix", "--yes"),
        ("--update-baseline", "--format", "json"),
        ("--update-baseline", "--output", "report.json"),
        ("--interactive", "--output", "report.json"),
        ("--interactive", "--format", "sarif"),
    ],
)
def test_what_would_be_passed_over_is_refused(repository: Path, review: Review, arguments: tuple[str, ...]) -> None:
    with pytest.raises(DsassistError, match=rf"{arguments[0]} .*; leave {arguments[1]} out"):
        review(*arguments)
    assert not (repository / BASELINE).exists()
    assert not (repository / "report.json").exists()


def test_a_dismissal_goes_into_the_baseline_that_is_named(repository: Path, review: Review, typed: Type) -> None:
    (repository / "known.json").touch()
    typed("d\n")
    assert review("--interactive", "--baseline", "known.json") == 0
    assert review("--baseline", "known.json") == 0
    assert not (repository / BASELINE).exists()


def test_a_fix_outside_of_the_change_is_not_made_and_told(
    repository: Path, review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "tables.py").write_text("def load_table(path):\n    return path\n")
    (repository / "use.py").write_text("from tables import load_table\n\nprint(load_table('a'))\n")
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "one", cwd=repository)
    (repository / "tables.py").write_text("def read_table(path):\n    return path\n")
    git("add", ".", cwd=repository)
    assert review("--fix", "--yes") == 1
    err = capsys.readouterr().err
    assert "use.py:1: not fixed, as the change has no part in that file" in err
    assert "load_table" in (repository / "use.py").read_text()


def test_an_unknown_code_is_told_on_stderr(
    repository: Path, review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "a.py").write_text(f"# dsassist: ignore-file[DSA101, DSA998]\n{CLAMP}")
    git("add", ".", cwd=repository)
    assert review() == 0
    err = capsys.readouterr().err
    assert err.count("ignore[DSA998]` names no code") == 1
    assert "; 1 ignored by comments" in err


@pytest.mark.parametrize("option", ["--fix", "--interactive"])
def test_without_a_terminal_nobody_can_be_asked(
    repository: Path, review: Review, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(DsassistError, match="standard input is no terminal"):
            review(option)
        assert review("--fix", "--yes") == 0
    assert git("show", ":a.py", cwd=repository).stdout == FIXED


@pytest.mark.parametrize(("answer", "code", "text"), [("y\n", 0, FIXED), ("n\n", 1, CLAMP)])
def test_a_fix_is_applied_after_asking(
    repository: Path, review: Review, typed: Type, answer: str, code: int, text: str
) -> None:
    typed(answer)
    assert review("--fix") == code
    assert git("show", ":a.py", cwd=repository).stdout == (repository / "a.py").read_text() == text


def test_whole_files_are_fixed_from_any_folder(
    repository: Path, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "pkg").mkdir()
    (repository / "pkg" / "b.py").write_text(CLAMP)
    monkeypatch.chdir(repository / "pkg")
    assert review("b.py", "--fix", "--yes") == 0
    assert (repository / "pkg" / "b.py").read_text() == FIXED


def test_interactive_dismisses_a_finding_for_the_very_commit(repository: Path, review: Review, typed: Type) -> None:
    typed("d\n")
    assert review("--interactive") == 0
    assert review() == 0


def test_interactive_writes_a_comment_that_holds(
    repository: Path, review: Review, typed: Type, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("i\n")
    assert review("--interactive") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("a.py:4:28: warning: ")
    assert "[f]ix it, [i]gnore it by a comment, [d]ismiss it into the baseline, [s]kip it, [q]uit? " in captured.err
    assert review() == 0
    assert "    # dsassist: ignore[DSA101]\n    return high" in git("show", ":a.py", cwd=repository).stdout


def test_a_damaged_baseline_is_told_before_anything_is_asked(repository: Path, review: Review) -> None:
    (repository / BASELINE).write_text("<<<<<<< ours\n")
    with pytest.raises(DsassistError, match="line 1, is no entry of a baseline"):
        review("--update-baseline")
    assert (repository / BASELINE).read_text() == "<<<<<<< ours\n"
