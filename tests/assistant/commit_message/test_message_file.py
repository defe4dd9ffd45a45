"""Git's message file: when it counts as empty, and how a draft is put into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsassist.commit_message.message_file import MessageFile, read_message_file
from dsassist_runtime.errors import NotDone
from hook_repositories import git

COMMENTS = "\n# Please enter the commit message for your changes.\n#\n# On branch main\n"
DIFF = "# ------------------------ >8 ------------------------\n# Do not modify.\ndiff --git a/a b/a\n+more\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git("init", "-q", cwd=tmp_path)
    return tmp_path


def written(repository: Path, text: str) -> MessageFile:
    (repository / "MESSAGE").write_text(text)
    return read_message_file(Path("MESSAGE"), repository)


@pytest.mark.parametrize("text", ["", "\n", COMMENTS, COMMENTS + DIFF])
def test_a_file_with_comments_alone_is_empty(repository: Path, text: str) -> None:
    assert written(repository, text).is_empty


@pytest.mark.parametrize("text", ["a", f"Signed-off-by: A <a@b>\n{COMMENTS}", "; none here\n", f"\n\n  a\n{DIFF}"])
def test_a_file_with_a_line_of_its_own_is_not(repository: Path, text: str) -> None:
    assert not written(repository, text).is_empty


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"core.commentChar": ";"}, "\n; Please enter\n"),
        ({"core.commentChar": "auto"}, "\n@ Please enter\n"),
        ({"core.commentString": "//"}, "\n// Please enter\n"),
    ],
)
def test_the_repositorys_own_comment_mark_is_obeyed(repository: Path, options: dict[str, str], text: str) -> None:
    for name, value in options.items():
        git("config", name, value, cwd=repository)
    assert written(repository, text).is_empty
    assert not written(repository, f"# a heading\n{text}").is_empty or options["core.commentChar"] == "auto"


def test_the_draft_stands_above_what_git_wrote(repository: Path) -> None:
    file = written(repository, COMMENTS + DIFF)
    file.path.chmod(0o640)
    file.write_above("Add a\n\nIt is so.")
    assert file.path.read_text() == f"Add a\n\nIt is so.\n{COMMENTS}{DIFF}"
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in repository.iterdir() if path.name != ".git"] == ["MESSAGE"]


def test_comments_on_the_first_line_are_kept_apart(repository: Path) -> None:
    file = written(repository, "# a comment\n")
    file.write_above("Add a")
    assert file.path.read_text() == "Add a\n\n# a comment\n"


def test_a_file_that_was_changed_meanwhile_is_left_alone(repository: Path) -> None:
    file = written(repository, COMMENTS)
    file.path.write_text("By hand\n")
    with pytest.raises(NotDone, match="was changed meanwhile"):
        file.write_above("Add a")
    assert file.path.read_text() == "By hand\n"


def test_the_messages_encoding_is_the_repositorys(repository: Path) -> None:
    git("config", "i18n.commitEncoding", "ISO-8859-1", cwd=repository)
    file = written(repository, "\n")
    file.write_above("Add café")
    assert file.path.read_bytes() == "Add café\n\n".encode("latin-1")
    with pytest.raises(NotDone, match=r"i18n\.commitEncoding = ISO-8859-1 lacks"):
        written(repository, "\n").write_above("Add 缓存")
    git("config", "i18n.commitEncoding", "no-such", cwd=repository)
    with pytest.raises(NotDone, match="no-such is no encoding"):
        written(repository, "\n")


def test_a_file_that_is_not_there_is_told(repository: Path) -> None:
    with pytest.raises(NotDone, match=r"cannot read .*MESSAGE: no such file"):
        read_message_file(Path("MESSAGE"), repository)


def test_a_file_beside_which_no_other_can_be_written_is_told_and_left_alone(repository: Path) -> None:
    """Its name is as long as one may be, so none can begin with it; unlike permissions, this stops root too."""
    path = repository / ("M" * os.pathconf(repository, "PC_NAME_MAX"))
    path.write_text("\n")
    file = read_message_file(path, repository)
    with pytest.raises(NotDone, match="cannot write"):
        file.write_above("Add a")
    assert path.read_text() == "\n"
