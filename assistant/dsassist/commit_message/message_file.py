"""Git's file of a commit's message: whether somebody wrote into it already, and a draft put above git's own comments.

Knows no model. Comments begin with `core.commentChar`; behind a scissors line (`git commit --verbose`) stands the diff.
"""

from __future__ import annotations

import codecs
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dsassist.git import run_git
from dsassist_runtime.errors import NotDone

__all__ = ["MessageFile", "read_message_file"]

_SCISSORS = "------------------------ >8 ------------------------"
_AUTO_CHARACTERS = "#;@!$%^&|:"  # git's own choice of them for `core.commentChar = auto`
_OPTIONS = r"^(core\.comment(char|string)|i18n\.commitencoding)$"


@dataclass(frozen=True)
class MessageFile:
    """The file as it was read; `comment` is what git's comment lines begin with."""

    path: Path
    content: bytes
    comment: str
    encoding: str

    @property
    def is_empty(self) -> bool:
        """Is there nothing in it but git's comments?"""
        comment = self.comment.encode(self.encoding, "replace")
        for line in self.content.splitlines():
            if line.startswith(comment):
                if line.rstrip() == comment + b" " + _SCISSORS.encode():
                    return True
            elif line.strip():
                return False
        return True

    def write_above(self, message: str) -> None:
        """Put the message above what is there, in one step; `NotDone` if the file cannot be written, or was changed."""
        try:
            text = f"{message}\n".encode(self.encoding)
        except UnicodeEncodeError:
            raise NotDone(f"the draft has characters that i18n.commitEncoding = {self.encoding} lacks") from None
        if self.content and not self.content.startswith((b"\n", b"\r\n")):
            text += b"\n"
        try:
            if self.path.read_bytes() != self.content:
                raise NotDone(f"{self.path} was changed meanwhile")
            _replace(self.path, text + self.content)
        except OSError as error:
            raise NotDone(f"cannot write {self.path}: {(error.strerror or str(error)).lower()}") from error


def read_message_file(path: Path, cwd: Path) -> MessageFile:
    """The message file of the repository around `cwd`; a relative path counts from there."""
    path = cwd / path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotDone(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    comment, encoding = _options(cwd)
    return MessageFile(path, content, comment if comment != "auto" else _comment_in(content), encoding)


def _options(cwd: Path) -> tuple[str, str]:
    """What begins a comment, and the encoding of messages; git's defaults where nothing is set."""
    comment, encoding = "#", "utf-8"
    printed = run_git(["config", "--null", "--get-regexp", _OPTIONS], cwd, accept=(0, 1))
    for entry in printed.split(b"\0"):
        key, _, value = entry.decode("utf-8", "replace").partition("\n")
        if key.startswith("core.") and value:
            comment = value
        elif key.startswith("i18n.") and value:
            encoding = value
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise NotDone(f"i18n.commitEncoding = {encoding} is no encoding that Python knows") from None
    return comment, encoding


def _comment_in(content: bytes) -> str:
    """What git chose: the first character of the first line that has any."""
    first = next((line for line in content.splitlines() if line.strip()), b"#")[:1].decode("ascii", "replace")
    return first if first in _AUTO_CHARACTERS else "#"


def _replace(path: Path, content: bytes) -> None:
    """A file half written would be a message, too; so another takes its place."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        shutil.copymode(path, name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
