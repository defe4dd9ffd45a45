"""`dsassist review`: what a person sees and which exit code they get; the model's opinions are made up."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dsassist.commands.review import COMMAND, run
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, DsassistError, EngineDied, ModelMissing, NotDone
from dsassist_runtime.testing import ScriptedEngine

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]
Prefers = Callable[[str, float], Scorer]
Run = Callable[..., int]

ROOT = Path(__file__).parents[3]
CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""


def sh(cwd: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def model(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model by path, which only its name is asked of: the engine is scripted."""
    path = isolated / "some-model.gguf"
    path.touch()
    monkeypatch.setenv("DSASSIST_MODEL", str(path))
    return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, which is also the working directory."""
    sh(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stage(root: Path, text: str = CLAMP, name: str = "a.py") -> None:
    (root / name).write_text(text)
    sh(root, "add", name)


def review(*arguments: str, score: Scorer = lambda _: []) -> int:
    """Run the command as `dsassist.cli` does, with a scripted engine."""
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    return run(parser.parse_args(arguments), lambda _: ScriptedEngine(score=score))


def test_nothing_staged_is_said_and_is_no_finding(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review() == 0
    assert capsys.readouterr() == ("", "dsassist: nothing is staged\n")


def test_a_finding_stops_and_shows_the_line(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository)
    assert review("--threshold-nats", "5", score=prefers("value > high", 7.4)) == 1
    out, err = capsys.readouterr()
    assert out == (
        "a.py:4:28: warning: `low` may be meant to be `high` [DSA101]\n"
        "    4 |     return high if value > low else value\n"
        "      |                            ^^^\n"
        "      = `high` is 1,600 times as likely here (+7.4 nats)\n"
    )
    assert "reviewed 1 function in 1 file with some-model.gguf in " in err


def test_what_git_stopped_at_is_said_with_what_was_reviewed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sh(repository, "commit", "--quiet", "--allow-empty", "-m", "picked")
    head = sh(repository, "rev-parse", "HEAD")
    sh(repository, "update-ref", "CHERRY_PICK_HEAD", head)
    stage(repository)
    assert review() == 0
    assert f"reviewed 1 function in 1 file of a cherry-pick of {head[:7]} with" in capsys.readouterr().err


def test_the_test_model_is_called_one_and_stops_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository)
    assert review("--model", "builtin", score=prefers("value > high", 20.0)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("a.py:4:28: info: ")
    assert "this is a small test model" in err
    assert review("--model", "builtin", "--fail-level", "info", score=prefers("value > high", 20.0)) == 1


def test_a_clean_change_prints_nothing_on_stdout(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage(repository)
    assert review() == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("level", "code"), [("info", 1), ("warning", 1), ("error", 0), ("never", 0)])
def test_the_fail_level_decides_the_exit_code(repository: Path, prefers: Prefers, level: str, code: int) -> None:
    stage(repository)
    assert review("--fail-level", level, score=prefers("value > high", 9.0)) == code


def test_the_threshold_decides_what_is_a_finding(repository: Path, prefers: Prefers) -> None:
    stage(repository, CLAMP.replace("value > low", "value > high"))
    sh(repository, "commit", "--quiet", "-m", "first")
    stage(repository)
    assert review("--threshold-nats", "8", score=prefers("value > high", 7.9)) == 0
    assert review("--threshold-nats", "8", score=prefers("value > high", 8.1)) == 1


def test_the_repository_may_exclude_files_and_switch_the_review_off(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository)
    (repository / "dsassist.toml").write_text('[review]\nexclude = ["a.py"]\n')
    assert review(score=prefers("value > high", 9.0)) == 0
    assert "not reviewed: a.py (excluded)" in capsys.readouterr().err
    (repository / "dsassist.toml").write_text("[review]\nenabled = false\n")
    assert review(score=prefers("value > high", 9.0)) == 0
    assert "review.enabled is false" in capsys.readouterr().err


def test_files_of_other_languages_are_named_and_start_no_engine(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(repository, "let x\n", "b.js")

    def must_not_start(_: object) -> ScriptedEngine:
        raise AssertionError("there is nothing to ask")

    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    assert run(parser.parse_args([]), must_not_start) == 0
    said = re.sub(r"\d\.\d s", "N s", capsys.readouterr().err)
    assert said == "dsassist: reviewed 0 functions in 0 files in N s; not reviewed: b.js (no function to review)\n"


def test_whole_files_are_read_from_disk(repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers) -> None:
    (repository / "b.py").write_text(CLAMP)
    assert review("b.py", score=prefers("value > high", 9.0)) == 1
    assert capsys.readouterr().out.startswith("b.py:4:28: warning: ")


def test_paths_need_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefers: Prefers) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.py").write_text(CLAMP)
    assert review("b.py", score=prefers("value > high", 9.0)) == 1


def test_no_repository_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DsassistError, match="not inside a git repository") as caught:
        review()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [(b"\xe9", "a.py", "not UTF-8 at byte 0"), (b"x\0", "a.py", "binary"), (b"x\0", "a.js", "binary")],
)
def test_a_file_that_cannot_be_reviewed_is_not_done(repository: Path, content: bytes, name: str, reason: str) -> None:
    (repository / name).write_bytes(content)
    with pytest.raises(NotDone, match=f"nothing was reviewed: {name} \\({reason}\\)"):
        review(name)


def test_a_path_that_does_not_exist_is_a_usage_error(repository: Path) -> None:
    with pytest.raises(DsassistError, match=r"there is no file gone\.py") as caught:
        review("gone.py")
    assert caught.value.exit_code == 2


def test_an_empty_file_is_reviewed_and_clean(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "a.py").write_bytes(b"")
    assert review("a.py") == 0
    assert "reviewed 0 functions" in capsys.readouterr().err


def test_a_missing_model_is_not_done(repository: Path) -> None:
    stage(repository)
    with pytest.raises(ModelMissing):
        review("--model", "/nowhere/model.gguf")


def test_an_engine_that_dies_midway_is_not_done_unless_it_found_something(repository: Path, prefers: Prefers) -> None:
    stage(repository)
    stage(repository, CLAMP, "b.py")
    died: list[int] = []

    def die_second(request: ScoreRequest) -> Sequence[EditScore]:
        died.append(1)
        if len(died) % 2 == 0:
            raise EngineDied("the engine ended")
        return prefers("value > high", 9.0)(request)

    assert review(score=die_second) == 1
    with pytest.raises(NotDone, match="the review ended early: the engine ended"):
        review("--fail-level", "never", score=die_second)


def test_json_is_one_object_with_all_that_the_text_says(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository)
    stage(repository, "x", "c.js")
    assert review("--format", "json", "--threshold-nats", "5", score=prefers("value > high", 7.4)) == 1
    result = json.loads(capsys.readouterr().out)
    (finding,) = result["findings"]
    place = {"path": "a.py", "line": 4, "column": 28, "end_line": 4, "end_column": 31}
    assert place.items() <= finding.items()
    assert (finding["code"], finding["severity"], finding["evidence_nats"]) == ("DSA101", "warning", 7.4)
    assert (finding["original"], finding["alternative"]) == ("low", "high")
    assert finding["message"] == "`low` may be meant to be `high`"
    assert result["reviewed"] == {"functions": 1, "files": 1}
    assert result["not_reviewed"] == [{"what": "c.js", "reason": "no function to review"}]
    assert (result["model"], result["failure"]) == ("some-model.gguf", None)


def test_json_with_nothing_staged_is_an_object_too(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review("--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_the_mark_stands_below_its_word_behind_tabs_and_wide_text(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository, "def f(low, high):\n\tx = 'é', low < low + 1, high\n")
    assert review(score=prefers("low < high + 1", 20.0)) == 1
    _, line, mark, *_ = capsys.readouterr().out.splitlines()
    assert line[mark.index("^") :].startswith("low + 1")


def test_the_evidence_has_a_line_of_its_own_where_80_columns_do_not_hold_it(
    repository: Path, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    stage(repository, "def f(low, high):\n    return low < low + 1 and high\n")
    assert review(score=prefers("low < high + 1", 20.0)) == 1
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_nothing_staged_imports_nothing_heavy(repository: Path) -> None:
    heavy = ["tree_sitter", "llama_cpp", "numpy", "http.client", "dsassist.config", "difflib", "dsassist.engine"]
    code = (
        "import sys; from dsassist.cli import main; code = main(['review']);"
        f"print(code, [name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
    assert done.stderr == "dsassist: nothing is staged\n"


def test_the_model_is_given_the_deadline(repository: Path) -> None:
    stage(repository)
    engine = ScriptedEngine()
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    assert run(parser.parse_args(["--deadline", "40m"]), lambda _: engine) == 0
    (timeout_s,) = engine.timeouts_s
    assert timeout_s is not None
    assert 1200.0 < timeout_s < 2400.0


def test_a_deadline_that_leaves_no_time_is_not_done(repository: Path) -> None:
    stage(repository)

    def hang(_: ScoreRequest) -> Sequence[EditScore]:
        raise DeadlineExceeded("no answer from the model within 30 s")

    with pytest.raises(NotDone, match="no function was reviewed: deadline; give it more time") as caught:
        review(score=hang)
    assert caught.value.exit_code == 3


def test_many_staged_files_are_cut_at_the_deadline_and_each_function_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine says when its time is up, as it does when a deadline passes; from then on it is asked nothing."""
    text = "".join(f"def clamp_{i}(value, low, high):\n    return value < low + {i}\n\n\n" for i in range(30))
    for number in range(20):
        (repository / f"f{number:02}.py").write_text(text)
    sh(repository, "add", ".")
    asked: list[int] = []

    def three_times(_: ScoreRequest) -> Sequence[EditScore]:
        asked.append(1)
        if len(asked) == 4:
            raise DeadlineExceeded("no answer from the model")
        return []

    assert review("--deadline", "1m", "--format", "json", score=three_times) == 0
    out, err = capsys.readouterr()
    assert len(asked) == 4
    assert "592 more (deadline)" in err
    left_out = json.loads(out)["not_reviewed"]
    every = [f"f{number:02}.py: clamp_{i}" for number in range(20) for i in range(30)]
    assert [each["what"] for each in left_out] == every[3:]


@pytest.mark.parametrize("name", ["text", "json", "sarif", "github", "markdown"])
def test_reports_list_each_function_that_was_left_out(repository: Path, prefers: Prefers, name: str) -> None:
    stage(repository, "".join(CLAMP.replace("clamp", f"clamp_{i}_") for i in range(20)))
    asked: list[int] = []

    def once(request: ScoreRequest) -> Sequence[EditScore]:
        asked.append(1)
        if len(asked) == 2:
            raise DeadlineExceeded("no answer from the model")
        return prefers("value > high", 20.0)(request)

    assert review("--format", name, "--output", "report", score=once) == 1
    report = (repository / "report").read_text()
    assert [number for number in range(1, 20) if f"clamp_{number}_" not in report] == []


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("7s", 7.0), ("2m", 120.0), ("0.5", 0.5), ("1.5m", 90.0)])
def test_a_deadline_has_a_unit_or_counts_in_seconds(text: str, seconds: float) -> None:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    assert parser.parse_args(["--deadline", text]).deadline == seconds


@pytest.mark.parametrize("text", ["", "s", "m", "10h", "-1", "0", "2h", "61m", "nan", "inf", "ten"])
def test_any_other_deadline_is_refused_in_words(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--deadline={text}"])
    assert "allowed is a number from 0.1 to 3600, in seconds (10, 10s) or minutes (2m)" in capsys.readouterr().err


def test_verbose_tells_all_that_was_left_out_and_what_findings_needed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        stage(repository, "x = 1\n", f"n{number}.py")
    stage(repository)
    assert review("-v") == 0
    err = capsys.readouterr().err
    assert "dsassist: findings needed 5.5 nats (default)\n" in err
    assert err.count("dsassist: not reviewed: n") == 7
    assert review("-v", "--threshold-nats", "7") == 0
    assert "dsassist: findings needed 7 nats (review.threshold_nats (--threshold-nats))\n" in capsys.readouterr().err


def test_the_event_of_a_github_job_is_reviewed_and_reported_to_github(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefers: Prefers
) -> None:
    sh(repository, "commit", "--quiet", "--allow-empty", "-m", "base")
    base = commit_id(repository)
    stage(repository)
    sh(repository, "commit", "--quiet", "-m", "head")
    event = {"pull_request": {"base": {"sha": base}, "head": {"sha": commit_id(repository)}}}
    (repository / "event.json").write_text(json.dumps(event))
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(repository / "event.json"))
    stage(repository, "x = 1\n", "not_in_the_event.py")
    scorer = prefers("value > high", 9.0)
    assert review("--github-event", score=scorer) == 1
    assert capsys.readouterr().out.startswith("::warning file=a.py,line=4")
    assert review("--github-event", "--format", "text", score=scorer) == 1
    assert capsys.readouterr().out.startswith("a.py:4:28: warning:")
    documented = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"- run: dsassist review (.*)", documented)
    assert review(*line.split(), score=scorer) == 1
    assert review("--github-event", "nowhere", score=scorer) == 0
    monkeypatch.delenv("GITHUB_EVENT_PATH")
    with pytest.raises(DsassistError, match="GITHUB_EVENT_PATH is not set"):
        review("--github-event")


def commit_id(root: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("where", "path"), [(".", "src/a.py"), ("src", "a.py"), ("src", ".")])
def test_exclude_counts_from_the_root_for_paths_too(
    repository: Path, monkeypatch: pytest.MonkeyPatch, where: str, path: str
) -> None:
    (repository / "dsassist.toml").write_text('[review]\nexclude = ["src/*.py"]\n')
    (repository / "src").mkdir()
    (repository / "src" / "a.py").write_text(CLAMP)
    monkeypatch.chdir(repository / where)
    with pytest.raises(NotDone, match=r"nothing was reviewed: .*a\.py \(excluded\)"):
        review(path)


def test_a_pipe_is_not_waited_for(repository: Path) -> None:
    os.mkfifo(repository / "pipe.py")
    with pytest.raises(NotDone, match=r"nothing was reviewed: pipe\.py \(a pipe, not a file\)"):
        review("pipe.py")


def test_a_path_that_does_not_exist_is_a_usage_error_in_any_language(repository: Path) -> None:
    with pytest.raises(DsassistError, match=r"there is no file nope\.md") as caught:
        review("nope.md")
    assert caught.value.exit_code == 2
