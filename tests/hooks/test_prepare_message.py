"""Drafts of commit messages: when there is one, what stops it, and that nothing ever stops the commit."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from dsassist.cli import main
from dsassist_hooks.install import install
from dsassist_hooks.prepare_message import prepare_message
from dsassist_hooks.stages import PREPARE_COMMIT_MSG
from dsassist_runtime.errors import ModelInvalid
from hook_repositories import git, write_program
from scripted_chat import ScriptedChat, write_model_file

COMMENTS = "\n# Please enter the commit message for your changes. Lines starting\n# with '#' will be ignored.\n#\n"
MESSAGE = Path(".git/COMMIT_EDITMSG")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a staged change, as the working directory; an instruct model is configured."""
    root = tmp_path / "repository"
    root.mkdir()
    git("init", "-q", cwd=root)
    (root / "a.py").write_text("a = 1\n")
    git("add", ".", cwd=root)
    git("commit", "-q", "-m", "Begin with a", cwd=root)
    (root / "a.py").write_text("a = 2\n")
    git("add", ".", cwd=root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DSASSIST_MODEL", str(write_model_file(tmp_path / "model.gguf")))
    (root / MESSAGE).write_text(COMMENTS)
    return root


def prepare(engine: ScriptedChat, source: str = "", *, switched_on: bool = True, verbose: bool = True) -> str:
    """Run the hook; gives the file's text afterwards. Its exit code is always 0."""
    code = prepare_message(MESSAGE, source, switched_on=switched_on, verbose=verbose, engine_of=lambda _loaded: engine)
    assert code == 0
    return MESSAGE.read_text()


def test_an_empty_message_gets_a_draft_above_the_comments(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = ScriptedChat("```\nRaised a to two.\n```")
    assert prepare(engine) == f"Raise a to two\n{COMMENTS}"
    assert capsys.readouterr() == ("", "dsassist: the message was drafted: Raise a to two\n")
    (request,) = engine.asked
    question = request.messages[-1]["content"]
    assert "a.py (+1, -1)" in question
    assert "-a = 1\n+a = 2" in question
    assert "Begin with a" in question
    assert 0 < request.deadline_ms <= 10_000


def test_a_draft_is_quiet_unless_asked(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(ScriptedChat("Raise a"), verbose=False)
    prepare(ScriptedChat("Raise a"), verbose=False)  # the file is not empty any more
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("source", ["message", "template", "merge", "squash", "commit"])
def test_a_message_that_git_has_is_left_alone(
    repository: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = ScriptedChat("Raise a")
    assert prepare(engine, source) == COMMENTS
    assert capsys.readouterr().err == f"dsassist: no message drafted: git has a message already ({source})\n"
    assert engine.asked == []


def test_a_message_that_somebody_wrote_is_left_alone(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MESSAGE.write_text(f"By another hook\n{COMMENTS}")
    engine = ScriptedChat("Raise a")
    assert prepare(engine) == f"By another hook\n{COMMENTS}"
    assert engine.asked == []
    assert "the message is not empty" in capsys.readouterr().err


def test_nothing_is_drafted_unless_it_is_switched_on(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = ScriptedChat("Raise a")
    assert prepare(engine, switched_on=False) == COMMENTS
    assert engine.asked == []
    assert "hook.draft_message is false" in capsys.readouterr().err
    (repository / "dsassist.toml").write_text("[hook]\ndraft_message = true\n")
    assert prepare(engine, switched_on=False) == f"Raise a\n{COMMENTS}"


@pytest.mark.parametrize(
    ("name", "value"), [("SKIP", "ruff,dsassist-commit-message"), ("DSASSIST_SKIP", "1"), ("GIT_EDITOR", ":")]
)
def test_the_environment_may_leave_it_out(
    repository: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    engine = ScriptedChat("Raise a")
    assert prepare(engine) == COMMENTS
    assert engine.asked == []


def test_nothing_staged_is_nothing_to_tell_of(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("reset", "-q", cwd=repository)
    assert prepare(ScriptedChat("Raise a")) == COMMENTS
    assert "nothing is staged" in capsys.readouterr().err


# -- whom it asks


@pytest.mark.parametrize(
    ("name", "chat_template", "reason"),
    [
        ("Tiny Base", "{{ messages }}", "does not follow instructions"),
        ("Tiny Instruct", "", "has no chat template"),
    ],
)
def test_a_base_model_is_not_asked(
    repository: Path, name: str, chat_template: str, reason: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = write_model_file(repository.parent / "base.gguf", name=name, chat_template=chat_template)
    monkeypatch.setenv("DSASSIST_MODEL", str(path))
    engine = ScriptedChat("Raise a")
    assert prepare(engine, verbose=False) == COMMENTS
    assert capsys.readouterr().err == ""
    assert prepare(engine) == COMMENTS
    assert reason in capsys.readouterr().err
    assert engine.asked == []


def test_the_builtin_model_drafts_nothing_and_starts_no_server(
    repository: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DSASSIST_MODEL")
    assert main(["hook", "prepare-commit-msg", str(MESSAGE), "--draft-message"]) == 0
    assert capsys.readouterr() == ("", "")
    assert not (isolated / "d" / "run").exists()


def test_a_model_at_an_address_is_sent_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "http://localhost:1/v1")
    assert main(["hook", "prepare-commit-msg", str(MESSAGE), "--draft-message", "-v"]) == 0
    assert "is not asked for messages" in capsys.readouterr().err
    assert MESSAGE.read_text() == COMMENTS


# -- what goes wrong


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ModelInvalid("the model is\nbroken"), "the model is broken"),
        (RuntimeError("a bug"), "internal error: RuntimeError: a bug; please report it with "),
        ("I'm sorry, I cannot do that.", "the model's answer has no message in it that could be used"),
        ("Begin with a", "the model's answer has no message in it that could be used"),
    ],
)
def test_a_failure_is_one_line_and_leaves_the_file(
    repository: Path, answer: str | Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(ScriptedChat(answer), verbose=False) == COMMENTS
    printed = capsys.readouterr().err
    assert printed.startswith(f"dsassist: no message drafted: {said}")
    assert printed.count("\n") == 1


def test_a_missing_model_is_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "/nowhere/model.gguf")
    assert prepare(ScriptedChat("Raise a"), verbose=False) == COMMENTS
    printed = capsys.readouterr().err
    assert printed.startswith("dsassist: no message drafted: there is no file /nowhere/model.gguf")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "engine",
    [
        ScriptedChat("Raise a", before_s=60.0),  # loads, or hangs
        ScriptedChat("Raise a, which is said to be so at length", piece_s=60.0),
    ],
)
def test_a_deadline_leaves_the_file(
    repository: Path, engine: ScriptedChat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_HOOK_MESSAGE_DEADLINE_S", "0.5")
    assert prepare(engine, verbose=False) == COMMENTS
    said = "the model took longer than 0.5 s (hook.message_deadline_s)"
    assert capsys.readouterr().err == f"dsassist: no message drafted: {said}\n"


def test_of_an_answer_that_is_broken_off_the_whole_lines_are_taken(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSASSIST_HOOK_MESSAGE_DEADLINE_S", "3")
    for number in range(45):  # enough lines for a body
        (repository / f"{number}.py").write_text("a = 3\n")
    git("add", ".", cwd=repository)
    engine = ScriptedChat("Raise a\n\nIt was low.\nNow it is of the ri" + "ght size " * 500, piece_s=0.02)
    text = prepare(engine)
    assert text.startswith("Raise a\n\nIt was low.\n\n#")


def test_arguments_that_cannot_be_understood_are_one_line(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--no-such"], [str(MESSAGE), "a", "b", "c"]):
        assert main(["hook", "prepare-commit-msg", *arguments]) == 0
        printed = capsys.readouterr().err
        assert printed.startswith("dsassist: no message drafted: ")
        assert printed.count("\n") == 1


# -- through git

_SCRIPTED = """
import sys
from pathlib import Path
from dsassist_hooks.prepare_message import prepare_message
from scripted_chat import ScriptedChat
assert sys.argv[1] == "-c" and sys.argv[3] == "--draft-message", sys.argv
file, source = sys.argv[4], "".join(sys.argv[5:6])
engine = ScriptedChat("Raise a to two")
sys.exit(prepare_message(Path(file), source, switched_on=True, engine_of=lambda _loaded: engine))
"""


@pytest.fixture
def installed(repository: Path, tmp_path: Path) -> Path:
    """The hook is installed, with a Python that has a scripted model; gives the repository."""
    (tmp_path / "scripted.py").write_text(_SCRIPTED)
    path = ":".join(str(Path(__file__).parents[2] / name) for name in ("tests", "assistant", "hooks", "runtime"))
    program = f'PYTHONPATH={shlex.quote(path)} exec {shlex.quote(sys.executable)} {tmp_path / "scripted.py"} "$@"'
    write_program(tmp_path / "bin" / "python", program)
    install(repository, PREPARE_COMMIT_MSG, python=str(tmp_path / "bin" / "python"))
    # An editor that keeps what it is shown, and changes nothing.
    write_program(tmp_path / "editor", f'cp "$1" {tmp_path}/shown')
    git("config", "core.editor", str(tmp_path / "editor"), cwd=repository)
    return repository


def subject(repository: Path) -> str:
    return git("log", "-1", "--format=%B", cwd=repository).stdout.strip()


def test_git_shows_the_draft_in_the_editor(installed: Path) -> None:
    done = git("commit", cwd=installed, check=False)
    assert done.returncode == 0, done.stderr
    assert (installed.parent / "shown").read_text().startswith("Raise a to two\n\n# Please enter")
    assert subject(installed) == "Raise a to two"


def test_git_with_a_message_of_its_own_keeps_it(installed: Path) -> None:
    git("commit", "-q", "-m", "By hand", cwd=installed)
    assert subject(installed) == "By hand"
    git("commit", "-q", "--amend", cwd=installed)
    assert subject(installed) == "By hand"
    assert (installed.parent / "shown").read_text().startswith("By hand\n")


def test_a_commit_for_which_no_editor_opens_is_not_made_with_a_draft(installed: Path) -> None:
    done = git("commit", "--no-edit", cwd=installed, check=False)
    assert done.returncode != 0
    assert "empty commit message" in done.stderr
    assert subject(installed) == "Begin with a"


def test_a_hook_that_was_there_before_writes_first(installed: Path) -> None:
    hook = installed / ".git" / "hooks" / "prepare-commit-msg"
    write_program(hook.with_name(PREPARE_COMMIT_MSG.kept_name), 'echo "Theirs" > "$1"')
    git("commit", "-q", cwd=installed)
    assert subject(installed) == "Theirs"


def test_the_draft_is_of_what_is_committed(installed: Path) -> None:
    """`commit -a` and `commit PATH` have an index of their own, which git names to the hook."""
    git("reset", "-q", cwd=installed)
    done = git("commit", "-a", cwd=installed, check=False)
    assert done.returncode == 0, done.stderr
    assert subject(installed) == "Raise a to two"


def test_what_git_replays_keeps_its_message(installed: Path) -> None:
    """A clean cherry-pick, revert, rebase and merge run this hook and no other; none of them wants a draft."""

    def on_branch(name: str, start: str, file: str) -> None:
        git("checkout", "-q", "-b", name, start, cwd=installed)
        (installed / file).write_text("text\n")
        git("add", file, cwd=installed)
        git("commit", "-q", "-m", f"Add {file}", cwd=installed)

    git("commit", "-q", "-m", "By hand", cwd=installed)
    main = git("rev-parse", "HEAD", cwd=installed).stdout.strip()
    on_branch("side", "HEAD", "side.txt")
    on_branch("other", main, "other.txt")
    git("cherry-pick", "side", cwd=installed)
    assert subject(installed) == "Add side.txt"
    git("revert", "--no-edit", "HEAD", cwd=installed)
    assert subject(installed).startswith('Revert "Add side.txt"')
    git("reset", "-q", "--hard", "HEAD~2", cwd=installed)
    git("rebase", "-q", "side", cwd=installed)
    assert git("log", "--format=%s", f"{main}..", cwd=installed).stdout.splitlines() == [
        "Add other.txt",
        "Add side.txt",
    ]
    on_branch("third", main, "third.txt")
    git("merge", "-q", "--no-edit", "side", cwd=installed)
    assert subject(installed).startswith("Merge branch 'side'")
