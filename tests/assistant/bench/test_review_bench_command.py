"""`dsassist bench review` as a person calls it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from dsassist.cli import main
from fim_repository import bank_repository, commit, sh


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bank_repository(tmp_path / "bank")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "one of the arguments --repo --fixes"),
        (("--repo", "/nowhere"), 2, "--repo /nowhere is no directory"),
        (("--fixes", "/nowhere"), 2, "--fixes /nowhere is no directory"),
        (("--repo", "REPOSITORY", "--fit", "REPOSITORY"), 2, "thresholds need repositories of their own"),
        (("--repo", "REPOSITORY", "--fixes", "REPOSITORY"), 2, "not allowed with argument --repo"),
        (("--repo", "REPOSITORY", "--since", "yesterday"), 2, "allowed is a day such as"),
        (("--repo", "REPOSITORY", "--functions", "0"), 2, "allowed is a whole number from 1"),
        (("--repo", "REPOSITORY", "--model", "no-such-model"), 2, "no-such-model"),
        (("--repo", "REPOSITORY", "--details", "/nowhere/x"), 2, "--details /nowhere/x cannot be written"),
        (("--repo", "REPOSITORY", "--since", "2026-01-01"), 3, "name an earlier day with --since"),
        (("--repo", "REPOSITORY", "--answers", "/nowhere/x"), 2, "--answers /nowhere/x cannot be written"),
        (("--held-back", "REPOSITORY", "--answers", "x"), 2, "--held-back asks no model"),
        (("--fixes", "REPOSITORY"), 3, "name an earlier day"),
        (("--fixes", "REPOSITORY", "--sources", "all"), 2, "allowed are enumerated, further, unfinished, written"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    repository: Path, arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("REPOSITORY", str(repository)) for argument in arguments]
    assert main(["bench", "review", *given]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


@pytest.mark.slow
def test_injected_bugs_are_measured_on_the_builtin_model(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    details = tmp_path / "details.jsonl"
    command = ["bench", "review", "--repo", str(repository), "--functions", "2", "--details", str(details), "--json"]
    assert main(command) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["settings"]["functions"] == 2
    names = [figure["name"] for figure in report["figures"]]
    assert "AUROC, whole function" in names
    assert "right line among the top 3, highest surprise" in names
    assert [reason for reason in report["left_out"] if "no chat template" in reason]
    assert "measuring: function 2 of 2" in captured.err
    lines = [json.loads(line) for line in details.read_text().splitlines()]
    assert all(line["buggy"]["highest surprise"] for line in lines)


@pytest.mark.slow
def test_fixes_are_measured_on_the_builtin_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "limits"
    root.mkdir()
    sh(root, "init", "--quiet")
    text = "def clamp(value, low, high):\n    if value < low:\n        return low\n    return min(value, low)\n"
    commit(root, {"clamp.py": text})
    (root / "clamp.py").write_text(text.replace("min(value, low)", "min(value, high)"))
    subprocess.run(["git", "commit", "--quiet", "-am", "Fix the upper limit"], cwd=root, check=True)
    answers = tmp_path / "answers.db"
    command = ["bench", "review", "--fixes", str(root), "--sources", "unfinished,enumerated,written", "--json"]
    assert main([*command, "--answers", str(answers)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"]["sources"] == "enumerated, unfinished changes, written by the model"
    with closing(sqlite3.connect(answers)) as kept:
        n_asked = kept.execute("SELECT count(*) FROM answers").fetchone()
        assert n_asked > (2,)
        assert main([*command, "--answers", str(answers)]) == 0
        assert json.loads(capsys.readouterr().out)["figures"] == report["figures"]
        assert kept.execute("SELECT count(*) FROM answers").fetchone() == n_asked
    assert report["settings"]["fixes"] == 1
    assert "fix preferred to the bug" in [figure["name"] for figure in report["figures"]]
