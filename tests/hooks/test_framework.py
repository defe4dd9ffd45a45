"""The manifest in the hands of the real pre-commit (4.x): each stage, `try-repo`, `SKIP`, and what is printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hook_repositories import commit, git, write_program

pytestmark = pytest.mark.slow  # whole commits

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

# A reviewer in the place of ours, as a distribution of its own: what is at stake here is how it is called and shown.
_REVIEW = """
import sys
from dsassist import output
from dsassist.command import Command
from dsassist_runtime.errors import NotDone


def add_arguments(parser):
    for name in ("--range", "--deadline", "--fail-level"):
        parser.add_argument(name)


def run(args):
    if args.range:
        output.notice(f"range {args.range}")
    output.write_line("src/folder/module.py:14:26: warning: `low` may be meant to be `high` [DSA101]")
    output.write_line("       14 |     if value > low:")
    output.write_line("          |                ^^^ `high` is 670 times as likely here (+6.5 nats)")
    output.notice("reviewed 1 function in 1 file with a-model in 0.1 s")
    return 0 if args.fail_level == "never" else 1


COMMAND = Command("review", add_arguments, run)
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a remote that has its first commit, as the working directory; `dsassist` is on the path."""
    metadata = tmp_path / "site" / "a_reviewer-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "dsassist_framework_plugin.py").write_text(_REVIEW)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: a-reviewer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dsassist.commands]\nreview = dsassist_framework_plugin:COMMAND\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit-home"))
    monkeypatch.setenv("COLUMNS", "80")
    root = tmp_path / "repository"
    git("init", "-q", "--bare", str(tmp_path / "remote.git"), cwd=tmp_path)
    git("init", "-q", str(root), cwd=tmp_path)
    git("remote", "add", "origin", str(tmp_path / "remote.git"), cwd=root)
    monkeypatch.chdir(root)
    commit(root)
    git("push", "-q", "origin", "main", cwd=root)
    return root


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """The path of a repository with our manifest."""
    source = tmp_path / "dsassist"
    source.mkdir()
    (source / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    git("init", "-q", cwd=source)
    git("add", ".", cwd=source)
    git("commit", "-q", "-m", "manifest", cwd=source)
    return str(source)


def pre_commit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPTS / "pre-commit"), *arguments], cwd=cwd, capture_output=True, text=True)


def use(repository: Path, manifest: str, hook_type: str, hook: str) -> None:
    """Configure a hook of ours (YAML) and let pre-commit install it; the configuration is committed without hooks."""
    revision = git("rev-parse", "HEAD", cwd=Path(manifest)).stdout.strip()
    (repository / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {manifest}\n  rev: {revision}\n  hooks:\n  - {hook}\n"
    )
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "configure", cwd=repository)
    done = pre_commit("install", "--hook-type", hook_type, cwd=repository)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_readable(output: str, title: str, state: str) -> None:
    """The hook's line is filled to 80 columns, and the findings stand as they were written, each line by itself."""
    lines = output.splitlines()
    (head,) = (line for line in lines if line.startswith(title))
    assert head == f"{title}{'.' * (79 - len(title) - len(state))}{state}"
    (at,) = (number for number, line in enumerate(lines) if line.startswith("src/folder/"))
    assert lines[at + 1].index("low") == lines[at + 2].index("^^^"), "the mark stands below the word"
    assert max(map(len, lines[at : at + 3])) <= 80
    assert "dsassist: reviewed 1 function in 1 file with a-model in 0.1 s" in lines
    assert "\x1b" not in output, "there is no terminal"


def test_a_commit_with_findings_is_stopped_and_can_be_read(repository: Path, manifest: str) -> None:
    use(repository, manifest, "pre-commit", "id: dsassist-review")
    stopped = commit(repository)
    assert stopped.returncode == 1
    assert_readable(stopped.stderr, "dsassist review", "Failed")
    assert git("status", "--porcelain", cwd=repository).stdout == "M  a.txt\n"


def test_findings_that_stop_nothing_are_shown(repository: Path, manifest: str) -> None:
    use(repository, manifest, "pre-commit", "{id: dsassist-review, args: [--fail-level, never]}")
    passed = commit(repository)
    assert passed.returncode == 0
    assert_readable(passed.stderr, "dsassist review", "Passed")


def test_skip_leaves_the_review_out(repository: Path, manifest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(repository, manifest, "pre-commit", "id: dsassist-review")
    monkeypatch.setenv("SKIP", "dsassist-review")
    skipped = commit(repository)
    assert skipped.returncode == 0
    assert f"\ndsassist review{'.' * 57}Skipped\n" in skipped.stderr
    assert "warning" not in skipped.stderr


def test_try_repo_runs_the_hook_without_an_installation(repository: Path, manifest: str) -> None:
    (repository / "a.txt").write_text("staged\n")
    git("add", ".", cwd=repository)
    done = pre_commit("try-repo", manifest, "dsassist-review", cwd=repository)
    assert done.returncode == 1
    assert_readable(done.stdout, "dsassist review", "Failed")


def test_a_push_is_reviewed_from_what_the_remote_has(repository: Path, manifest: str) -> None:
    use(repository, manifest, "pre-push", "id: dsassist-review-push")
    base, end = git("rev-parse", "origin/main", "HEAD", cwd=repository).stdout.split()
    stopped = git("push", "-q", "origin", "main", cwd=repository, check=False)
    assert stopped.returncode != 0
    assert_readable(stopped.stdout + stopped.stderr, "dsassist review (push)", "Failed")
    assert f"dsassist: range {base}..{end}" in stopped.stdout + stopped.stderr
    assert git("rev-parse", "origin/main", cwd=repository).stdout.strip() == base


def test_a_message_is_drafted_only_where_there_is_none(repository: Path, manifest: str, tmp_path: Path) -> None:
    """The builtin model drafts nothing: with -v the hook says why, so it is seen to be called, and for which source."""
    use(repository, manifest, "prepare-commit-msg", "{id: dsassist-commit-message, args: [--draft-message, -v]}")
    write_program(tmp_path / "editor", 'echo "By hand" > "$1"')
    git("config", "core.editor", shlex.quote(str(tmp_path / "editor")), cwd=repository)
    with_message = commit(repository)
    assert with_message.returncode == 0, with_message.stderr
    assert "no message drafted: git has a message already (message)" in with_message.stderr
    (repository / "a.txt").write_text("changed\n")
    without = git("commit", "-q", "-a", cwd=repository, check=False)
    assert without.returncode == 0, without.stderr
    assert "has no chat template" in without.stderr
    assert git("log", "-1", "--format=%s", cwd=repository).stdout == "By hand\n"
