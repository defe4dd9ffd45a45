"""Unified diffs, as git and as `diff -u` write them: read from bytes, and applied in memory.

    diff --git a/clamp.py b/clamp.py        git's own lines are optional
    index 3b18e51..c0d0fb4 100644           the blobs before and after, where git has them
    --- a/clamp.py
    +++ b/clamp.py
    @@ -1,3 +1,3 @@

No hunk is applied where its old lines do not stand exactly; that they stand some lines further up or down is fine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from dsassist_runtime.errors import DsassistError

__all__ = ["FilePatch", "Hunk", "PatchError", "applied", "parse_diff"]

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_INDEX = re.compile(rb"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: (\d{6}))?$")
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_COLOURED = re.compile(rb"^\x1b\[[0-9;]*m(?:diff --git |--- )", re.MULTILINE)
_COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class PatchError(DsassistError):
    """A diff that cannot be read, or that does not apply."""


@dataclass(frozen=True)
class Hunk:
    """Lines that give way to others, with their ends; `old_start` counts from 1."""

    old_start: int
    new_start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]

    @property
    def reverse(self) -> Hunk:
        """What takes the hunk back."""
        return Hunk(self.new_start, self.old_start, self.new, self.old)


@dataclass
class FilePatch:
    """What a diff says of one file; names as they stand there, None for `/dev/null`.

    Ids may be abbreviated, and are empty in a diff that is not git's; so is `mode`, the new one.
    """

    old_name: bytes | None
    new_name: bytes | None
    is_git: bool
    old_id: str = ""
    new_id: str = ""
    mode: str = ""
    is_binary: bool = False
    is_renamed: bool = False
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def has_prefixes(self) -> bool:
        """Whether a letter stands before the names, as git puts it there unless it is told otherwise."""
        old, new = self.old_name or b"a/", self.new_name or b"b/"
        return self.is_git or (old.startswith(b"a/") and new.startswith(b"b/"))


def parse_diff(data: bytes) -> list[FilePatch]:
    """The files of a diff; text around them (a commit's message) is passed over."""
    # With `color.ui = always`, git colours what goes into a pipe.
    lines = _LINE.findall(_COLOUR.sub(b"", data) if _COLOURED.search(data) else data)
    patches: list[FilePatch] = []
    place = 0
    while place < len(lines):
        line = lines[place].rstrip(b"\r\n")
        if line.startswith((b"diff --cc ", b"diff --combined ", b"@@@ ")):
            raise PatchError(
                f"line {place + 1} of the diff is of a merge; give a diff of two states, as of `git diff A B`"
            )
        if line.startswith(b"diff --git "):
            patches.append(_git_patch(line[11:]))
        elif line.startswith(b"--- ") and place + 1 < len(lines) and lines[place + 1].startswith(b"+++ "):
            _name(patches, _unquoted(line[4:]), _unquoted(lines[place + 1].rstrip(b"\r\n")[4:]))
            place += 1
        elif patches and (found := _HUNK.match(line)):
            hunk, place = _hunk(found, lines, place + 1)
            patches[-1].hunks.append(hunk)
            continue
        elif patches and not patches[-1].hunks:
            _put_header(patches[-1], line)
        place += 1
    return patches


def applied(data: bytes, hunks: Sequence[Hunk], path: str) -> bytes:
    """A content after all hunks; `PatchError` where one does not fit."""
    lines: list[bytes] = _LINE.findall(data)
    result: list[bytes] = []
    done = shift = 0
    for hunk in hunks:
        # Of no lines, the number is that of the line before them.
        wanted = hunk.old_start - (1 if hunk.old else 0) + shift
        place = _place_of(hunk.old, lines, wanted, done)
        if place is None:
            raise PatchError(
                f"the diff does not apply to {path}: what it wants to change at line {hunk.old_start} does not stand "
                "there; make the diff anew, or check out what it was made from"
            )
        shift += place - wanted
        result += [*lines[done:place], *hunk.new]
        done = place + len(hunk.old)
    return b"".join([*result, *lines[done:]])


def _place_of(old: Sequence[bytes], lines: Sequence[bytes], wanted: int, least: int) -> int | None:
    """Where the old lines stand, nearest to where they should; None where they do not."""
    last = len(lines) - len(old)
    if not old:
        return wanted if least <= wanted <= last else None
    near = min(max(wanted, least), last)
    for place in (place for away in range(len(lines)) for place in (near - away, near + away)):
        is_inside = least <= place <= last
        if is_inside and lines[place] == old[0] and [*lines[place : place + len(old)]] == [*old]:
            return place
    return None


def _hunk(found: re.Match[bytes], lines: Sequence[bytes], place: int) -> tuple[Hunk, int]:
    """The hunk whose header was found, and the place behind it."""
    old_start, old_left, new_start, new_left = (1 if part is None else int(part) for part in found.groups())
    old: list[bytes] = []
    new: list[bytes] = []
    while old_left > len(old) or new_left > len(new):
        line = lines[place] if place < len(lines) else b"?"
        # Some programs take blanks off the ends of lines.
        kind, text = (b" ", line) if line in (b"\n", b"\r\n") else (line[:1], line[1:])
        if kind not in (b" ", b"-", b"+"):
            raise PatchError(f"the diff ends early or is damaged at line {place + 1}, within a hunk")
        old += [text] if kind != b"+" else []
        new += [text] if kind != b"-" else []
        place += 1
        if place < len(lines) and lines[place].startswith(b"\\"):
            _strip_end(old if kind != b"+" else [])
            _strip_end(new if kind != b"-" else [])
            place += 1
    return Hunk(old_start, new_start, tuple(old), tuple(new)), place


def _strip_end(lines: list[bytes]) -> None:
    if lines:
        lines[-1] = lines[-1].removesuffix(b"\n")


def _git_patch(names: bytes) -> FilePatch:
    """The patch that a `diff --git` line begins; its names may turn out to be others further down."""
    half = len(names) // 2
    old, new = names[:half], names[half + 1 :]  # they differ in renames only, which are named below
    return FilePatch(_unquoted(old), _unquoted(new), is_git=True)


def _name(patches: list[FilePatch], old: bytes | None, new: bytes | None) -> None:
    if patches and patches[-1].is_git and not patches[-1].hunks:
        patches[-1].old_name, patches[-1].new_name = old, new
    else:
        patches.append(FilePatch(old, new, is_git=False))


def _put_header(patch: FilePatch, line: bytes) -> None:
    if found := _INDEX.match(line):
        patch.old_id, patch.new_id = found[1].decode(), found[2].decode()
        patch.mode = (found[3] or patch.mode.encode()).decode()
    elif line.startswith((b"new file mode ", b"new mode ", b"deleted file mode ")):
        patch.mode = line.rpartition(b" ")[2].decode("ascii", "replace")
    elif line.startswith(b"rename from "):
        # The line above has both names, and no mark between them where there are blanks.
        patch.is_renamed, patch.old_name = True, b"a/" + (_unquoted(line[12:]) or b"")
    elif line.startswith(b"rename to "):
        patch.new_name = b"b/" + (_unquoted(line[10:]) or b"")
    elif line.startswith(b"Binary files ") or line == b"GIT binary patch":
        patch.is_binary = True


def _unquoted(name: bytes) -> bytes | None:
    """A name without its quotes and escapes, and without a time behind it; None for `/dev/null`."""
    if name.startswith(b'"'):
        inside = name[1 : name.rindex(b'"')] if name.count(b'"') > 1 else name[1:]
        return _ESCAPED.sub(_escaped, inside)
    name = name.partition(b"\t")[0]
    return None if name == b"/dev/null" else name


def _escaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8) & 0xFF]) if code.isdigit() and len(code) == 3 else _ESCAPES.get(code, code)
