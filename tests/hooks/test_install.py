"""The hook in real repositories: beside other hooks, in worktrees, in shared folders, and taken out again."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsassist.cli import main
from dsassist_hooks.install import HookError, install, uninstall
from dsassist_hooks.stages import PRE_COMMIT, PRE_PUSH, PREPARE_COMMIT_MSG, Stage
from hook_repositories import commit, git, write_program

ROOT = Path(__file__).parents[2]
PROGRAM = str(Path(sys.executable).parent / "pre-commit")


def python_that(folder: Path, *lines: str) -> str:
    """A program in the place of Python, for a hook script that must bear anything from it."""
    write_program(folder / "python", *lines)
    return str(folder / "python")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, as the working directory; its commits skip the review itself, which is not at stake here."""
    root = tmp_path / "a repository's root"
    root.mkdir()
    git("init", "-q", cwd=root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DSASSIST_SKIP", "1")
    return root


def hooks(repository: Path) -> list[str]:
    return sorted(path.name for path in (repository / ".git" / "hooks").iterdir() if path.suffix != ".sample")


# -- in and out


def test_installed_hook_runs_at_a_commit(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "install"]) == 0
    hook = repository / ".git" / "hooks" / "pre-commit"
    assert capsys.readouterr() == (f"{hook} reviews each commit now\n", "")
    done = commit(repository)
    assert (done.returncode, done.stderr) == (0, "dsassist: review skipped, as the environment asks\n")


def test_uninstall_leaves_nothing_behind(repository: Path) -> None:
    before = hooks(repository)
    assert main(["hook", "install"]) == 0
    assert main(["hook", "uninstall"]) == 0
    assert hooks(repository) == before


def test_uninstall_without_a_hook_says_so(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hook", "uninstall"]) == 0
    assert capsys.readouterr().out == "there was no dsassist hook here\n"


def test_install_twice_is_install_once(repository: Path) -> None:
    write_program(repository / ".git" / "hooks" / "pre-commit", "echo theirs >&2")
    install(repository)
    once = hooks(repository)
    install(repository)
    assert hooks(repository) == once
    assert commit(repository).stderr.count("theirs\n") == 1


def test_install_again_changes_to_strict_and_back(repository: Path) -> None:
    hook = install(repository).path
    plain = hook.read_text()
    install(repository, strict=True)
    assert "strict=--strict\n" in hook.read_text()
    install(repository)
    assert hook.read_text() == plain


def test_hook_is_installed_from_a_folder_below(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "src").mkdir()
    monkeypatch.chdir(repository / "src")
    assert main(["hook", "install"]) == 0
    assert "pre-commit" in hooks(repository)


def test_repository_whose_name_ends_in_a_line_feed_is_found(tmp_path: Path) -> None:
    root = tmp_path / "odd\n"
    root.mkdir()
    git("init", "-q", cwd=root)
    assert install(root).path == root / ".git" / "hooks" / "pre-commit"


def test_outside_a_repository_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert main(["hook", "install"]) == 2
    finally:
        os.chdir(old)
    assert f"{tmp_path} is in no git repository" in capsys.readouterr().err


def test_bare_repository_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git("init", "-q", "--bare", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["hook", "install"]) == 3
    assert "must be run in a work tree" in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_told(repository: Path) -> None:
    git("config", "core.hooksPath", str(repository / "file" / "hooks"), cwd=repository)
    (repository / "file").write_text("")
    with pytest.raises(HookError, match=r"cannot change the hooks in .*file/hooks: not a directory"):
        install(repository)


# -- where git looks


def test_worktree_shares_the_hook_of_its_repository(repository: Path) -> None:
    commit(repository)
    git("worktree", "add", "-q", "../linked", cwd=repository)
    linked = repository.parent / "linked"
    assert install(linked).path == repository / ".git" / "hooks" / "pre-commit"
    assert "review skipped" in commit(linked).stderr


def test_hooks_path_of_the_configuration_is_obeyed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("config", "core.hooksPath", "tools/hooks", cwd=repository)
    (repository / "src").mkdir()
    done = install(repository / "src")
    assert done.path == repository / "tools" / "hooks" / "pre-commit"
    assert "review skipped" in commit(repository).stderr
    assert main(["hook", "install"]) == 0
    assert f"core.hooksPath names {done.path.parent}: in every repository that uses it" in capsys.readouterr().err
    uninstall(repository)
    assert not done.path.exists()


# -- beside another tool's hook


def test_hook_that_was_there_runs_first_and_comes_back(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    write_program(hook, "echo theirs >&2")
    theirs = hook.read_bytes()
    assert main(["hook", "install"]) == 0
    kept = hook.parent / PRE_COMMIT.kept_name
    assert f"the hook that was there before runs first, as {kept}" in capsys.readouterr().err
    assert commit(repository).stderr == "theirs\ndsassist: review skipped, as the environment asks\n"
    assert main(["hook", "uninstall"]) == 0
    assert hook.read_bytes() == theirs
    assert os.access(hook, os.X_OK)
    assert hooks(repository) == ["pre-commit"]


def test_hook_that_was_there_still_stops_a_commit(repository: Path) -> None:
    write_program(repository / ".git" / "hooks" / "pre-commit", "exit 7")
    install(repository)
    done = commit(repository)
    assert done.returncode != 0
    assert "dsassist" not in done.stderr


def test_hook_that_git_ignores_is_ignored_still(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    write_program(hook, "exit 7")
    hook.chmod(0o644)
    install(repository)
    assert commit(repository).returncode == 0
    uninstall(repository)
    assert not os.access(hook, os.X_OK)


def test_hook_that_is_a_link_stays_one(repository: Path) -> None:
    write_program(repository / "hook.sh", "echo linked >&2")
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.symlink_to("../../hook.sh")
    install(repository)
    assert commit(repository).stderr.startswith("linked\n")
    uninstall(repository)
    assert hook.readlink() == Path("../../hook.sh")
    assert (repository / "hook.sh").read_text() == "#!/bin/sh\necho linked >&2\n"


def test_two_foreign_hooks_are_not_chosen_between(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    write_program(hook, "echo first")
    install(repository)
    write_program(hook, "echo second")
    with pytest.raises(HookError, match="are both another tool's hook"):
        install(repository)
    assert hook.read_text() == "#!/bin/sh\necho second\n"
    assert not any(each.removed for each in uninstall(repository))


# -- other stages


def test_each_stage_is_installed_when_asked_for_and_all_are_taken_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, folder = hooks(repository), repository / ".git" / "hooks"
    assert main(["hook", "install", "--pre-push", "--draft-message"]) == 0
    assert hooks(repository) == sorted([*before, "pre-commit", "pre-push", "prepare-commit-msg"])
    assert capsys.readouterr().out.splitlines() == [
        f"{folder / 'pre-commit'} reviews each commit now",
        f"{folder / 'pre-push'} reviews each push now",
        f"{folder / 'prepare-commit-msg'} drafts commit messages now",
    ]
    assert main(["hook", "install"]) == 0
    assert "pre-push" in hooks(repository), "one is not taken out by installing another"
    assert main(["hook", "uninstall"]) == 0
    assert hooks(repository) == before


@pytest.mark.parametrize("stage", [PRE_PUSH, PREPARE_COMMIT_MSG])
def test_the_hook_of_a_stage_that_was_there_comes_back(repository: Path, stage: Stage) -> None:
    hook = repository / ".git" / "hooks" / stage.name
    write_program(hook, "exit 7")
    theirs = hook.read_bytes()
    done = install(repository, stage)
    assert done.kept == hook.with_name(stage.kept_name)
    ran = subprocess.run([str(hook), "a", "b"], cwd=repository, input="", capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (7, ""), "it runs first, and stops all else"
    uninstall(repository)
    assert hook.read_bytes() == theirs


@pytest.mark.parametrize(
    ("stage", "not_done", "what", "option"),
    [
        (PRE_PUSH, "not reviewed", "push", "--pre-push"),
        (PREPARE_COMMIT_MSG, "no message drafted", "commit", "--draft-message"),
    ],
)
def test_a_stage_without_its_python_goes_on_with_one_line(
    repository: Path, stage: Stage, not_done: str, what: str, option: str
) -> None:
    hook = install(repository, stage, python="/nowhere/python").path
    ran = subprocess.run([str(hook), "a", "b"], cwd=repository, input="a b c d\n", capture_output=True, text=True)
    said = f"dsassist: {not_done}: /nowhere/python is gone; the {what} goes on"
    remedy = f"to mend it: dsassist hook install {option}"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", f"{said}; {remedy}\n")


def test_a_draft_never_stops_a_commit_however_strict_the_rest_is(repository: Path) -> None:
    hook = install(repository, PREPARE_COMMIT_MSG, python="/nowhere/python", strict=True).path
    assert subprocess.run([str(hook), "a"], cwd=repository, capture_output=True).returncode == 0
    hook = install(repository, PRE_PUSH, python="/nowhere/python", strict=True).path
    assert subprocess.run([str(hook), "a"], cwd=repository, input=b"", capture_output=True).returncode == 3


# -- beside pre-commit


@pytest.fixture
def framework(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a configuration of pre-commit that has one hook of its own."""
    (repository / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks:\n"
        "  - {id: theirs, name: theirs, entry: echo from-theirs, language: unsupported, verbose: true,"
        " pass_filenames: false}\n"
    )
    monkeypatch.setenv("PRE_COMMIT_HOME", str(repository.parent / "pre-commit-home"))
    git("add", ".", cwd=repository)
    return repository


def pre_commit(*arguments: str, cwd: Path) -> None:
    subprocess.run([PROGRAM, *arguments], cwd=cwd, check=True, capture_output=True)


def assert_both_run_once(repository: Path) -> None:
    done = commit(repository)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("from-theirs") == 1, done.stderr
    assert done.stderr.count("review skipped") == 1, done.stderr


def test_hook_over_that_of_pre_commit_runs_both(framework: Path) -> None:
    pre_commit("install", cwd=framework)
    install(framework)
    assert_both_run_once(framework)
    uninstall(framework)
    assert hooks(framework) == ["pre-commit"]
    assert "from-theirs" in commit(framework).stderr


def test_hook_under_that_of_pre_commit_runs_both(framework: Path) -> None:
    install(framework)
    pre_commit("install", cwd=framework)
    assert_both_run_once(framework)
    assert install(framework).path.name == "pre-commit.legacy"
    assert_both_run_once(framework)
    uninstall(framework)
    assert hooks(framework) == ["pre-commit"]


def test_pre_commit_installed_again_over_ours_runs_both(framework: Path) -> None:
    pre_commit("install", cwd=framework)
    install(framework)
    pre_commit("install", cwd=framework)
    assert_both_run_once(framework)
    uninstall(framework)
    assert hooks(framework) == ["pre-commit"]


# -- what the script bears


def test_hook_without_its_python_lets_the_commit_pass_with_one_line(repository: Path) -> None:
    install(repository, python="/nowhere/bin/python")
    done = commit(repository)
    assert done.returncode == 0
    assert done.stderr == (
        "dsassist: not reviewed: /nowhere/bin/python is gone; the commit goes on; to mend it: dsassist hook install\n"
    )


def test_strict_hook_without_its_python_stops_the_commit(repository: Path) -> None:
    install(repository, python="/nowhere/bin/python", strict=True)
    done = commit(repository)
    assert done.returncode != 0
    assert "/nowhere/bin/python is gone; the commit is stopped (strict)" in done.stderr


def test_hook_whose_python_has_no_dsassist_lets_the_commit_pass(repository: Path) -> None:
    # Python with no site-packages, as after an uninstall.
    python = python_that(repository.parent / "it's here", f'exec {shlex.quote(sys.executable)} -S -E "$@"')
    install(repository, python=python)
    done = commit(repository)
    assert done.returncode == 0
    assert done.stderr.startswith(f"dsassist: not reviewed: {python} cannot load dsassist any more; the commit goes on")


def test_hook_whose_review_dies_of_a_signal_lets_the_commit_pass(repository: Path) -> None:
    install(repository, python=python_that(repository.parent / "bin", "kill -SEGV $$"))
    done = commit(repository)
    assert done.returncode == 0
    assert "not reviewed: the review ended with exit status 139; the commit goes on" in done.stderr


@pytest.mark.parametrize("code", [10, 11, 130])
def test_findings_and_strictness_and_an_interrupt_stop_the_commit(repository: Path, code: int) -> None:
    install(repository, python=python_that(repository.parent / "bin", f"exit {code}"))
    done = commit(repository)
    assert done.returncode != 0
    assert "not reviewed" not in done.stderr


@pytest.mark.parametrize("code", [1, 2, 3, 97, 120, 141])
def test_codes_that_others_leave_too_let_the_commit_pass_unless_it_is_strict(repository: Path, code: int) -> None:
    python = python_that(repository.parent / "bin", f"exit {code}")
    install(repository, python=python)
    assert commit(repository).returncode == 0
    install(repository, python=python, strict=True)
    done = commit(repository)
    assert done.returncode != 0
    assert "the commit is stopped (strict)" in done.stderr


def test_hook_whose_python_finds_no_library_lets_the_commit_pass(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(repository)
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    done = commit(repository)
    assert done.returncode == 0
    assert "not reviewed: the review ended with exit status 1; the commit goes on" in done.stderr


@pytest.fixture
def other_python(repository: Path, tmp_path: Path) -> Path:
    """The folder of a Python that finds copies of our packages first; gives the folder of the copies."""
    copies = tmp_path / "copies"
    for package in ("assistant/dsassist", "hooks/dsassist_hooks"):
        shutil.copytree(ROOT / package, copies / Path(package).name)
    command = f'PYTHONPATH={shlex.quote(str(copies))} exec {shlex.quote(sys.executable)} "$@"'
    install(repository, python=python_that(tmp_path / "bin", command))
    return copies


def test_copies_of_our_packages_review_as_the_originals_do(repository: Path, other_python: Path) -> None:
    assert commit(repository).stderr == "dsassist: review skipped, as the environment asks\n"


@pytest.mark.parametrize(
    ("module", "content"),
    [
        ("dsassist/cli.py", "def main(:\n"),
        ("dsassist/output.py", "raise ValueError('half an upgrade')\n"),
        ("dsassist_hooks/command.py", "raise ValueError('half an upgrade')\n"),
        ("dsassist_hooks/command.py", "def (:\n"),
        ("dsassist_hooks/pre_commit.py", "import a_module_that_is_gone\n"),
        ("dsassist_hooks/script.py", "FOR_SCRIPT = \n"),
    ],
)
def test_hook_of_a_damaged_installation_lets_the_commit_pass(
    repository: Path, other_python: Path, module: str, content: str
) -> None:
    (other_python / module).write_text(content)
    done = commit(repository)
    assert done.returncode == 0
    assert "dsassist: not reviewed: " in done.stderr
    assert "Traceback" not in done.stderr


def test_modules_of_the_repository_are_not_run_in_place_of_ours(repository: Path) -> None:
    for name in ("logging", "argparse", "dsassist", "subprocess"):
        (repository / f"{name}.py").write_text("open('ran', 'w').close(); raise SystemExit(1)\n")
    install(repository)
    done = commit(repository)
    assert (done.returncode, done.stderr) == (0, "dsassist: review skipped, as the environment asks\n")
    assert not (repository / "ran").exists()


def test_husky_keeps_its_folder_and_is_told_where_to_put_the_review(tmp_path: Path) -> None:
    """Its dispatcher goes by its own name: kept under another it ran no test, and the commit went through."""
    git("init", "-q", cwd=tmp_path)
    hooks = tmp_path / ".husky" / "_"
    hooks.mkdir(parents=True)
    dispatcher = hooks / "pre-commit"
    dispatcher.write_text('#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n')
    git("config", "core.hooksPath", ".husky/_", cwd=tmp_path)
    with pytest.raises(HookError, match=r"put the line `dsassist hook pre-commit` into .*/\.husky/pre-commit instead"):
        install(tmp_path)
    assert [path.name for path in hooks.iterdir()] == ["pre-commit"]


def test_a_hook_that_goes_by_its_name_is_left_alone(tmp_path: Path) -> None:
    git("init", "-q", cwd=tmp_path)
    hook = tmp_path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nexec "/opt/hooks/$(basename "$0")" "$@"\n')
    with pytest.raises(HookError, match="goes by the name that it is called by"):
        install(tmp_path)
    assert hook.read_text().startswith("#!/bin/sh\nexec")


def test_an_empty_hooks_path_is_said(tmp_path: Path) -> None:
    git("init", "-q", cwd=tmp_path)
    git("config", "core.hooksPath", "", cwd=tmp_path)
    with pytest.raises(HookError, match=r"core\.hooksPath is empty"):
        install(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".git"]
