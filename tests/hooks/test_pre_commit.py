"""What stops a commit and what does not: the hook, called by git, by pre-commit and by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist import config
from dsassist.cli import main
from dsassist_hooks.install import install
from dsassist_runtime import places
from hook_repositories import commit, git, write_program

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent

FUNCTION = """\
def resize(self, width, height):
    self.width = height
    self.height = height
    return width * height
"""
LEFT_IN = FUNCTION.replace(":\n", ":\n    breakpoint()\n", 1)
"""Something is found in it whatever the model says."""

REVIEW = """
from dsassist.command import Command
from dsassist_runtime.errors import DsassistError, NotDone


def run(args):
    match args.kind:
        case "clean": return 0
        case "findings": return 1
        case "silent": return 3
        case "usage": raise DsassistError("no such option")
        case "model": raise NotDone("the model is\\nnot here")
        case "bug": raise RuntimeError("a bug")
        case "exit": raise SystemExit("gave up")
        case "interrupt": raise KeyboardInterrupt


COMMAND = Command("review", lambda parser: parser.add_argument("--kind"), run)
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, as the working directory."""
    root = tmp_path / "repository"
    root.mkdir()
    git("init", "-q", cwd=root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def review(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reviewer that ends as it is told to; a distribution of its own that is found before ours."""
    metadata = tmp_path / "site" / "a_reviewer-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "dsassist_hook_plugin.py").write_text(REVIEW)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: a-reviewer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dsassist.commands]\nreview = dsassist_hook_plugin:COMMAND\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def stage(repository: Path) -> None:
    (repository / "a.py").write_text(FUNCTION)
    git("add", "a.py", cwd=repository)


# -- fails open


@pytest.mark.parametrize(
    ("kind", "strict_code", "said"),
    [
        ("usage", 2, "no such option"),
        ("model", 3, "the model is not here"),
        ("silent", 3, "the review ended with exit code 3"),
        ("bug", 3, "internal error: RuntimeError: a bug; please report it with "),
        ("exit", 3, "gave up"),
    ],
)
def test_commit_goes_on_when_it_could_not_be_reviewed(
    review: None, kind: str, strict_code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hook", "pre-commit", "--kind", kind]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"dsassist: not reviewed: {said}")
    assert printed.err.endswith("; the commit goes on (--strict stops it)\n")
    assert printed.err.count("\n") == 1

    assert main(["hook", "pre-commit", "--strict", "--kind", kind]) == strict_code
    printed = capsys.readouterr()
    assert printed.err.startswith(f"dsassist: not reviewed: {said}")
    assert printed.err.endswith("; the commit is stopped (strict)\n")


def test_a_commit_cannot_switch_off_its_own_review_nor_loosen_it(review: None, repository: Path) -> None:
    options = repository / "dsassist.toml"
    commit(repository, options.name, "[hook]\nstrict = true\n")
    options.write_text("[review]\nenabled = false\n")
    git("add", options.name, cwd=repository)
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 1
    assert main(["hook", "pre-commit", "--kind", "model"]) == 3, "strict before"
    git("commit", "-q", "-m", "off", cwd=repository)
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 0, "the commit before did that"
    options.write_text("[review]\nenabled = true\n")
    git("add", options.name, cwd=repository)
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 1, "the review itself sees that it is not wanted yet"


def test_strictness_can_be_configured(review: None, repository: Path) -> None:
    assert main(["hook", "pre-commit", "--kind", "model"]) == 0
    (repository / "dsassist.toml").write_text("[hook]\nstrict = true\n")
    assert main(["hook", "pre-commit", "--kind", "model"]) == 3


@pytest.mark.parametrize(("kind", "code"), [("clean", 0), ("findings", 1), ("interrupt", 130)])
def test_review_that_was_done_decides(review: None, kind: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "pre-commit", "--kind", kind]) == code
    assert main(["hook", "pre-commit", "--strict", f"--kind={kind}"]) == code
    assert capsys.readouterr() == ("", "")


def test_broken_configuration_lets_the_commit_pass(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage(repository)
    (repository / "dsassist.toml").write_text("[review]\nmax_findings = 0\n")
    assert main(["hook", "pre-commit"]) == 0
    printed = capsys.readouterr().err
    assert printed.startswith(f"dsassist: not reviewed: {repository / 'dsassist.toml'}: review.max_findings = 0 is not")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("broken", ["[review]\nmax_findings = 0\n", "[[["])
def test_broken_configuration_of_a_repository_leaves_the_users_strictness(
    repository: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.user_file().parent.mkdir(parents=True)
    config.user_file().write_text("[hook]\nstrict = true\n")
    stage(repository)
    (repository / "dsassist.toml").write_text(broken)
    assert main(["hook", "pre-commit"]) == 2
    assert capsys.readouterr().err.endswith("; the commit is stopped (strict)\n")


def test_options_that_cannot_be_understood_let_the_commit_pass(
    review: None, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hook", "pre-commit", "--strict=x"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("dsassist: not reviewed: argument --strict: ignored explicit argument 'x'")
    assert said.count("\n") == 1
    assert main(["hook", "pre-commit", "--strict", "--strict=x"]) == 2
    (repository / "dsassist.toml").write_text("[hook]\nstrict = true\n")
    assert main(["hook", "pre-commit", "--strict=x"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--kind", "clean"], 0),
        (["--kind", "findings"], 10),
        (["--strict", "--kind", "findings"], 10),
        (["--kind", "model"], 0),
        (["--strict", "--kind", "model"], 11),
        (["--strict", "--kind", "usage"], 11),
        (["--strict", "--strict=x"], 11),
        (["--kind", "interrupt"], 130),
    ],
)
def test_the_script_is_told_by_codes_that_nothing_else_leaves(review: None, arguments: list[str], code: int) -> None:
    assert main(["hook", "pre-commit", "--for-script", *arguments]) == code


def test_missing_model_lets_the_commit_pass(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "/nowhere/model.gguf")
    install(repository)
    done = commit(repository, "a.py", FUNCTION)
    assert done.returncode == 0
    assert "dsassist: not reviewed: " in done.stderr
    assert "/nowhere/model.gguf" in done.stderr
    assert "the commit goes on" in done.stderr


def test_missing_model_stops_a_strict_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "/nowhere/model.gguf")
    install(repository, strict=True)
    done = commit(repository, "a.py", FUNCTION)
    assert done.returncode != 0
    assert "the commit is stopped (strict)" in done.stderr


# -- skipped


@pytest.mark.parametrize(
    ("name", "value"), [("SKIP", "dsassist-review"), ("SKIP", "ruff, dsassist-review"), ("DSASSIST_SKIP", "1")]
)
def test_skip_is_obeyed(review: None, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 0


@pytest.mark.parametrize(("name", "value"), [("SKIP", "ruff"), ("SKIP", ""), ("DSASSIST_SKIP", "0")])
def test_skip_of_something_else_is_not_ours(
    review: None, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 1


def test_review_that_is_switched_off_is_quiet(
    review: None, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "dsassist.toml").write_text("[review]\nenabled = false\n")
    assert main(["hook", "pre-commit", "--kind", "findings"]) == 0
    assert capsys.readouterr() == ("", "")


def test_help_is_the_hooks_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "pre-commit", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: dsassist hook pre-commit [--strict]")


def test_unknown_action_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "instal"]) == 2
    assert "invalid choice: 'instal'" in capsys.readouterr().err


# -- with the model that comes with dsassist


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hook starts a server, which is not left behind; a busy machine has the time that it needs."""
    monkeypatch.setenv("DSASSIST_REVIEW_DEADLINE_S", "170")
    yield
    main(["serve", "--stop"])


def test_nothing_staged_needs_no_model(repository: Path) -> None:
    assert main(["hook", "pre-commit", "--strict"]) == 0
    assert not places.runtime_dir().exists()


def test_finding_stops_a_commit_and_a_higher_fail_level_lets_it_pass(
    repository: Path, server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repository, strict=True)
    stopped = commit(repository, "a.py", LEFT_IN)
    assert stopped.returncode != 0
    assert "a.py:2:" in stopped.stderr
    monkeypatch.setenv("DSASSIST_REVIEW_FAIL_LEVEL", "never")
    passed = git("commit", "-q", "-m", "more", cwd=repository, check=False)
    assert passed.returncode == 0, passed.stderr
    assert "a.py:2:" in passed.stderr


def use_manifest(repository: Path, arguments: str) -> None:
    """Configure pre-commit with a copy of our manifest in a repository of its own, as a user would with ours."""
    source = repository.parent / "dsassist"
    source.mkdir()
    (source / ".pre-commit-hooks.yaml").write_bytes((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    git("init", "-q", cwd=source)
    git("add", ".", cwd=source)
    git("commit", "-q", "-m", "manifest", cwd=source)
    revision = git("rev-parse", "HEAD", cwd=source).stdout.strip()
    (repository / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks:\n  - {{id: dsassist-review, args: {arguments}}}\n"
    )
    git("add", ".", cwd=repository)
    subprocess.run([SCRIPTS / "pre-commit", "install"], cwd=repository, check=True, capture_output=True)


def test_manifest_runs_the_review_through_pre_commit(
    repository: Path, server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    use_manifest(repository, "[--strict]")
    stopped = commit(repository, "a.py", LEFT_IN)
    assert stopped.returncode != 0
    assert "a.py:2:" in stopped.stderr
    monkeypatch.setenv("SKIP", "dsassist-review")
    assert git("commit", "-q", "-m", "skipped", cwd=repository, check=False).returncode == 0


def test_manifest_shows_why_a_commit_was_not_reviewed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DSASSIST_MODEL", "/nowhere/model.gguf")
    use_manifest(repository, "[]")
    done = commit(repository, "a.py", FUNCTION)
    assert done.returncode == 0
    assert "dsassist review" in done.stderr
    assert "dsassist: not reviewed: " in done.stderr


def test_hooks_before_ours_run_before_the_review(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "/nowhere/model.gguf")
    write_program(repository / ".git" / "hooks" / "pre-commit", "echo theirs >&2")
    install(repository)
    done = commit(repository, "a.py", FUNCTION)
    assert done.stderr.index("theirs") < done.stderr.index("dsassist: not reviewed")
