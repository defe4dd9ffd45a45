"""`git commit`, as a person types it, with a real model: through pre-commit and through git's own hook."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsassist import config
from dsassist_runtime import places
from hook_repositories import git

if TYPE_CHECKING:
    from e2e.conftest import Shop

pytestmark = pytest.mark.slow  # whole commits

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

BUG = "shutil.copy2(destination, path)"
FIX = "shutil.copy2(path, destination)"


def commit(shop: Shop, *options: str) -> subprocess.CompletedProcess[str]:
    return git("commit", "-q", "-m", "Keep the times", *options, cwd=shop.root, check=False)


def use_pre_commit(shop: Shop, arguments: str) -> None:
    """Set up pre-commit with this repository's own manifest, as the documentation says."""
    found = git("rev-parse", "HEAD", cwd=ROOT, check=False)
    if found.returncode or not (ROOT / ".git").exists():
        pytest.skip("this copy of dsassist is no git repository, from which pre-commit could take the hook")
    (shop.root / ".pre-commit-config.yaml").write_text(
        textwrap.dedent(f"""\
            repos:
              - repo: {ROOT}
                rev: {found.stdout.strip()}
                hooks:
                  - id: dsassist-review
                    args: {arguments}
            """)
    )
    subprocess.run([SCRIPTS / "pre-commit", "install"], cwd=shop.root, check=True, capture_output=True)


def use_git_hook(*options: str) -> None:
    subprocess.run([SCRIPTS / "dsassist", "hook", "install", *options], check=True, capture_output=True)


def assert_tells_of_the_bug(output: str) -> None:
    """Place, alternative, a mark below the very words, and the evidence; all of it within 80 columns."""
    lines = output.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("backup.py:14:26: warning: "))
    finding, source, mark, evidence = lines[at : at + 4]
    assert "`path, destination`" in finding
    assert len(finding) <= 80
    assert source.endswith(f"14 |             {BUG}")
    assert len(source) <= 80
    start = mark.index("^")
    assert source[start : mark.rindex("^") + 1] == "destination, path"
    assert "times as likely here (+" in evidence
    assert len(evidence) <= 80
    assert "dsassist: reviewed 1 function in 1 file with " in output
    assert "Traceback" not in output


# -- with a real model


@pytest.mark.real_model
def test_pre_commit_stops_the_bug_and_lets_the_fix_pass(shop: Shop, configured: Path) -> None:
    use_pre_commit(shop, "[--fail-level, warning]")
    shop.write(BUG)
    stopped = commit(shop)
    assert stopped.returncode == 1
    assert "dsassist review..........................................................Failed" in stopped.stderr
    assert_tells_of_the_bug(stopped.stderr)
    assert shop.n_commits() == 1

    shop.write(FIX)
    passed = commit(shop)
    assert passed.returncode == 0, passed.stderr
    assert "warning:" not in passed.stderr
    assert shop.n_commits() == 2


@pytest.mark.real_model
def test_git_hook_stops_the_bug_and_lets_the_fix_pass(shop: Shop, configured: Path) -> None:
    use_git_hook()
    shop.write(BUG)
    stopped = commit(shop)
    assert stopped.returncode == 1
    assert_tells_of_the_bug(stopped.stdout + stopped.stderr)
    assert shop.n_commits() == 1

    shop.write(FIX)
    passed = commit(shop)
    assert passed.returncode == 0, passed.stderr
    assert shop.n_commits() == 2


# -- without one


def configure_a_model_that_is_gone() -> None:
    places.make_writable(places.config_dir())
    config.user_file().write_text('model = "/nowhere/model.gguf"\n')


NOT_REVIEWED = (
    "dsassist: not reviewed: there is no file /nowhere/model.gguf; check the path, or see `dsassist model list`"
)


def test_pre_commit_lets_a_commit_pass_without_a_model_and_says_so_in_a_line(shop: Shop) -> None:
    configure_a_model_that_is_gone()
    use_pre_commit(shop, "[]")
    shop.write(BUG)
    done = commit(shop)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("dsassist: ")]
    assert told == [f"{NOT_REVIEWED}; the commit goes on (--strict stops it)"]
    assert shop.n_commits() == 2


def test_strict_pre_commit_stops_a_commit_without_a_model(shop: Shop) -> None:
    configure_a_model_that_is_gone()
    use_pre_commit(shop, "[--strict]")
    shop.write(BUG)
    done = commit(shop)
    assert done.returncode == 1
    assert f"{NOT_REVIEWED}; the commit is stopped (strict)\n" in done.stderr
    assert shop.n_commits() == 1


def test_try_repo_shows_what_needs_no_model_within_80_columns(shop: Shop, tmp_path: Path) -> None:
    """The real review, called from a copy of the manifest in a repository of its own."""
    source = tmp_path / "manifest"
    source.mkdir()
    (source / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    git("init", "-q", cwd=source)
    git("add", ".", cwd=source)
    git("commit", "-q", "-m", "manifest", cwd=source)
    shop.write("breakpoint()")
    done = subprocess.run(
        [SCRIPTS / "pre-commit", "try-repo", str(source), "dsassist-review"],
        cwd=shop.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert f"dsassist review{'.' * 58}Failed" in lines
    (at,) = (number for number, line in enumerate(lines) if line.startswith("backup.py:14:13: warning: "))
    assert lines[at].endswith(" [DSA003]")
    assert lines[at + 1].index("breakpoint()") == lines[at + 2].index("^^^^^^^^^^^^")
    assert max(map(len, lines[at:])) <= 80
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(("options", "n_commits", "end"), [([], 2, "goes on"), (["--strict"], 1, "is stopped")])
def test_git_hook_without_a_model_is_a_line_too(shop: Shop, options: list[str], n_commits: int, end: str) -> None:
    configure_a_model_that_is_gone()
    use_git_hook(*options)
    shop.write(BUG)
    done = commit(shop)
    assert shop.n_commits() == n_commits
    assert done.stderr.startswith(f"{NOT_REVIEWED}; the commit {end}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("with_pre_commit", [True, False])
def test_no_verify_and_skip_commit_without_a_review(
    shop: Shop, with_pre_commit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is missing and the hook strict, so that a review would stop them."""
    configure_a_model_that_is_gone()
    if with_pre_commit:
        use_pre_commit(shop, "[--strict]")
    else:
        use_git_hook("--strict")
    shop.write(BUG)
    assert commit(shop).returncode != 0

    assert commit(shop, "--no-verify").returncode == 0
    shop.write(FIX)
    monkeypatch.setenv("SKIP", "dsassist-review")
    skipped = commit(shop)
    assert skipped.returncode == 0
    assert "skipped" in skipped.stderr.lower()
    assert shop.n_commits() == 3


def test_a_home_that_cannot_be_written_does_not_stand_in_a_commits_way(
    shop: Shop, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolated / "file").touch()
    monkeypatch.setenv("DSASSIST_HOME", str(isolated / "file" / "home"))
    use_git_hook()
    shop.write(BUG)
    done = commit(shop)
    assert done.returncode == 0
    told = done.stderr.splitlines()[-1]
    assert told.startswith("dsassist: not reviewed: ")
    assert f"cannot write to {isolated}/file/home/run: not a directory" in told
    assert told.endswith("; the commit goes on (--strict stops it)")
    assert "Traceback" not in done.stderr
