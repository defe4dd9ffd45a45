"""`dsassist review --instruct` in a real repository; the model is a script."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.review.instruct.answering import Answering, anchors_of, answer, nothing, report
from dsassist.commands.review import COMMAND, run
from dsassist_runtime.api import ChatRequest, EditScore, ScoreRequest
from review_repositories import Repository
from scripted_chat import write_model_file

CLAMP = "def clamp(value, low, high):\n    return high if value > low else value\n"
LINE = "2> return high if value > low else value"


def finds_the_bug(request: ChatRequest) -> str:
    return answer([report(LINE, "return min(max(value, low), high)")] if LINE in anchors_of(request) else [])


def likes_the_fix(request: ScoreRequest) -> list[EditScore]:
    """Also of all that the likelihood reviewer asks about."""
    found = []
    for edit in request.edits:
        result = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
        gain = 12.0 if "min(max(" in result else -9.0
        found.append(EditScore(edit, (-1.0,), (-1.0,), (-20.0,), (-20.0 + gain,)))
    return found


def functions(count: int) -> str:
    body = "".join(f"    total = total * factor + {i}\n" for i in range(6))
    return "\n\n".join(f"def sum_{number}(total, factor):\n{body}    return total\n" for number in range(count))


@pytest.fixture
def repository(tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One with 70 functions, where a change to another one is staged, and an instruct model."""
    path = write_model_file(isolated / "tiny.gguf", name="Tiny Instruct")
    monkeypatch.setenv("DSASSIST_MODEL", str(path))
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.commit(sums=functions(70))
    repository.stage("clamp.py", CLAMP)
    return repository


def review(engine: Answering, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    # Sixty functions take a while on a busy machine.
    return run(parser.parse_args([*arguments, "--deadline", "600"]), lambda _: engine)


Out = Callable[[], tuple[str, str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Out:
    def read() -> tuple[str, str]:
        found = capsys.readouterr()
        return found.out, found.err

    return read


def test_a_model_is_tried_once_and_then_reviews(repository: Repository, printed: Out) -> None:
    engine = Answering(finds_the_bug, likes_the_fix)
    assert review(engine, "--instruct") == 0
    out, err = printed()
    assert out.startswith("clamp.py:2:5: info: the bound is wrong [DSA301]\n")
    assert "tiny.gguf is tried on unchanged functions before it may review in words" in err
    assert "tiny.gguf reviews in words: 0 of 60 unchanged functions had a finding" in err
    assert len(engine.asked) == 61
    assert review(engine, "--instruct", "--fail-level", "info") == 1
    assert printed()[0] == out
    assert len(engine.asked) == 62


def test_without_the_option_nothing_is_asked_in_words(repository: Repository) -> None:
    engine = Answering(finds_the_bug)
    assert review(engine) == 0
    assert engine.asked == []


def test_the_reason_why_a_model_does_not_review_in_words_is_told(repository: Repository, printed: Out) -> None:
    engine = Answering(nothing)
    assert review(engine, "--instruct", "--model", "builtin") == 0
    assert "not reviewed: by the instruct model (the builtin test model has no chat template" in printed()[1]
    assert engine.asked == []


def test_a_first_commit_has_no_functions_to_try_a_model_on(repository: Repository, printed: Out) -> None:
    repository.git("update-ref", "-d", "HEAD")
    assert review(Answering(nothing), "--instruct") == 0
    err = printed()[1]
    assert "by the instruct model (there is no commit in " in err
