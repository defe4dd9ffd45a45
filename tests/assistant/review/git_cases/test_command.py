"""`dsassist review` and its ways to say what is reviewed; the model's opinions are made up."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dsassist.commands.review import COMMAND, run
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.testing import ScriptedEngine
from review_repositories import Repository, untouched

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]

RIGHT = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > high else value
"""
WRONG = RIGHT.replace("value > high", "value > low")


@pytest.fixture(autouse=True)
def model(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model by path, which only its name is asked of: the engine is scripted."""
    (isolated / "some-model.gguf").touch()
    monkeypatch.setenv("DSASSIST_MODEL", str(isolated / "some-model.gguf"))


@pytest.fixture
def clamp(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """On `side`, whose one commit has a bug in `clamp.py`; the working directory."""
    repository.commit(clamp=RIGHT)
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(clamp=WRONG)
    monkeypatch.chdir(repository.root)
    return repository


@pytest.fixture
def review(prefers: Callable[[str, float], Scorer]) -> Callable[..., int]:
    """Runs the command as `dsassist.cli` does, with an engine that finds the bug."""

    def call(*arguments: str, stdin: bytes | None = None) -> int:
        parser = argparse.ArgumentParser()
        COMMAND.add_arguments(parser)
        with pytest.MonkeyPatch.context() as patch, untouched(Path.cwd()):
            if stdin is not None:
                patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            return run(
                parser.parse_args(["--deadline=600", *arguments]),
                lambda _: ScriptedEngine(score=prefers("value > high", 9.0)),
            )

    return call


def diff(repository: Repository, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=repository.root, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--commit", "HEAD"),
        ("--range", "main..side"),
        ("--range", "main...side"),
        ("--base", "main"),
        ("--commit", "HEAD", "clamp.py"),
        ("--range", "main..", "--", "clamp.py", "other.py"),
    ],
)
def test_each_way_to_name_a_change_finds_the_bug_in_it(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert review(*arguments) == 1
    assert capsys.readouterr().out.startswith("clamp.py:4:28: warning: `low` may be meant to be `high` [DSA101]\n")


def test_what_another_file_of_the_repository_does_as_well_is_no_finding(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    clamp.git("reset", "--quiet", "--soft", "HEAD~1")
    assert review() == 1
    clamp.git("reset", "--quiet")
    clamp.commit(other=WRONG.replace("clamp", "other"))
    clamp.git("add", ".")
    capsys.readouterr()
    assert review() == 0
    assert capsys.readouterr().out == ""


def test_a_diff_on_standard_input_is_reviewed(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert review("-", stdin=diff(clamp, "show")) == 1
    assert capsys.readouterr().out.startswith("clamp.py:4:28: warning: ")


def test_a_diff_on_standard_input_tells_what_it_left_undone_in_other_files(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    clamp.write("sizes.py", "LEAST_SIZE = 1\n")
    clamp.write("main.py", "from sizes import LEAST_SIZE\n")
    clamp.git("add", ".")
    clamp.git("commit", "--quiet", "-m", "sizes")
    clamp.write("sizes.py", "SMALLEST_SIZE = 1\n")
    assert review("-", stdin=diff(clamp, "diff")) == 1
    assert capsys.readouterr().out.startswith("main.py:1:19: warning: `LEAST_SIZE` is now called `SMALLEST_SIZE`")


def test_what_is_staged_may_be_narrowed_to_paths(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    clamp.git("reset", "--quiet", "--soft", "HEAD~1")
    clamp.write("clamp.py", RIGHT)
    assert review("--staged", "clamp.py") == 1
    assert review("--staged", "a.py") == 0
    assert "nothing is staged in a.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing is staged"),
        (("--range", "side..side"), "nothing is changed"),
        (("--commit", "HEAD", "a.py"), "nothing is changed in a.py"),
        (("-",), "nothing is changed by the diff on standard input"),
    ],
)
def test_where_nothing_is_changed_that_is_said(
    clamp: Repository,
    review: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert review(*arguments, stdin=b"") == 0
    assert capsys.readouterr() == ("", f"dsassist: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--commit", "no-such"), "there is no commit 'no-such'"),
        (("--range", "main"), "is no range of commits"),
        (("--base", "no-such"), "there is no commit 'no-such'"),
        (("--commit", ""), "there is no commit ''"),
        (("--base", ""), "there is no commit ''"),
        (("--range", ""), "is no range of commits"),
        (("-", "a.py"), "goes with no other choice"),
        (("--staged", "-"), "goes with no other choice"),
    ],
)
def test_mistakes_are_usage_errors_of_one_sentence(
    clamp: Repository, review: Callable[..., int], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DsassistError, match=message) as caught:
        review(*arguments)
    assert caught.value.exit_code == 2


def test_what_is_no_diff_is_a_usage_error(clamp: Repository, review: Callable[..., int]) -> None:
    with pytest.raises(DsassistError, match="there is no unified diff on standard input") as caught:
        review("-", stdin=b"def f():\n    pass\n")
    assert caught.value.exit_code == 2


def test_two_ways_to_name_a_change_exclude_each_other(clamp: Repository, review: Callable[..., int]) -> None:
    with pytest.raises(SystemExit):
        review("--staged", "--commit", "HEAD")


def test_a_change_that_excludes_itself_is_reviewed_all_the_same(
    clamp: Repository, review: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    clamp.git("reset", "--quiet", "--soft", "HEAD~1")
    clamp.stage("dsassist.toml", '[review]\nexclude = ["*"]\nfail_level = "never"\nenabled = false\n')
    assert review() == 1
    out, err = capsys.readouterr()
    assert out.startswith("clamp.py:4:28: warning: ")
    assert "the change touches dsassist.toml: what stood there before holds for this review" in err


def rename_what_is_imported(repository: Repository) -> None:
    repository.stage("shop/__init__.py", "")
    repository.stage("shop/prices.py", RIGHT)
    repository.commit(main="from shop import prices\n\nprint(prices.clamp(1, 2, 3))\n")
    repository.git("mv", "shop/prices.py", "shop/rates.py")


@pytest.mark.parametrize("how", ["--staged", "--commit=HEAD", "--range=HEAD~1..HEAD"])
def test_a_file_that_was_only_renamed_is_missed_where_it_is_imported(
    repository: Repository, review: Callable[..., int], how: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rename_what_is_imported(repository)
    if how != "--staged":
        repository.commit()
    monkeypatch.chdir(repository.root)
    assert review(how) == 1
    out = capsys.readouterr().out
    assert out.startswith("main.py:1:18: warning: the module is now shop/rates.py [DSA201]\n")
    assert "shop/rates.py:1:1: note: was shop/prices.py\n" in out


def test_a_diff_of_a_renamed_file_tells_the_same(
    repository: Repository, review: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rename_what_is_imported(repository)
    monkeypatch.chdir(repository.root)
    data = subprocess.run(["git", "diff", "--cached"], cwd=repository.root, capture_output=True, check=True).stdout
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert review("-") == 1
    assert capsys.readouterr().out.startswith("main.py:1:18: warning: the module is now shop/rates.py [DSA201]\n")
