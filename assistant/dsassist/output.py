"""The one door to the terminal: the answer goes to stdout, notices to stderr, colour where it is wanted.

Messages may quote a repository's files, so control characters in them are shown, not obeyed: an escape sequence in a
file name must not move the cursor of whoever reads the message.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import Literal, TextIO

from dsassist_runtime.errors import NotDone

__all__ = [
    "ColorMode",
    "abandon_stdout",
    "ask",
    "error",
    "flush",
    "notice",
    "on_terminal",
    "prepare_streams",
    "set_color",
    "style",
    "visible",
    "warn",
    "write",
    "write_line",
]

ColorMode = Literal["auto", "always", "never"]
Style = Literal["bold", "dim", "red", "green", "yellow", "blue", "magenta", "cyan"]

_CODES: dict[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ERROR_HANDLER = "dsassist.escape"

_mode: ColorMode = "auto"


def set_color(mode: ColorMode) -> None:
    """Decide on colour for this process, as `--color` does; "auto" looks at NO_COLOR, TERM and the stream."""
    global _mode
    _mode = mode


def style(text: str, *names: Style, stream: TextIO | None = None) -> str:
    """The text in bold or in colour, if `stream` (stdout when not given) is to have it."""
    if not names or not _has_color(sys.stdout if stream is None else stream):
        return text
    return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def visible(text: str) -> str:
    """The text with its control characters spelled out, for line breaks and tabs are all that a message needs."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def on_terminal(text: str) -> str:
    """Text that somebody else wrote, for stdout: `visible` where a terminal would obey it, as it is in a pipe."""
    return visible(text) if sys.stdout is not None and sys.stdout.isatty() else text


def write(text: str) -> None:
    """Write to stdout at once, as the pieces of a stream call for."""
    write_line(text, end="")
    flush()


def write_line(text: str = "", *, end: str = "\n") -> None:
    """Write a line of the answer to stdout."""
    if sys.stdout is not None:
        with _stdout_errors():
            sys.stdout.write(text + end)


def flush() -> None:
    """Write out what is buffered for stdout, so that a failure shows here and not at the interpreter's exit."""
    if sys.stdout is not None:
        with _stdout_errors():
            sys.stdout.flush()


def abandon_stdout() -> bool:
    """If the reader of stdout is gone, point it at nothing, or the interpreter complains of it at its exit."""
    if sys.stdout is None or not _reader_is_gone(sys.stdout):
        return False
    _point_at_nothing(sys.stdout)
    return True


def notice(text: str) -> None:
    """Tell the user something on stderr."""
    _tell("dsassist:", text, "bold")


def warn(text: str) -> None:
    """Tell the user on stderr of something that is probably not meant."""
    _tell("dsassist: warning:", text, "yellow")


def ask(question: str) -> str:
    """Put a question on stderr and return the line that is answered; "" at the end of standard input."""
    flush()
    sys.stderr.write(visible(question))
    sys.stderr.flush()
    return sys.stdin.readline()


def error(text: str) -> None:
    """Tell the user on stderr why the command failed; only `dsassist.cli` calls this."""
    _tell("dsassist:", text, "red")


def prepare_streams() -> None:
    """Let stdout and stderr take any text in any locale.

    Python's own choice follows the locale and raises UnicodeEncodeError in the midst of an answer, in ASCII at the
    first accent, in UTF-8 at a file name that is none. Source text is UTF-8, so the answer is; odd names stay as they
    are.
    """
    if sys.stderr is None:
        _open_stderr()
    codecs.register_error(_ERROR_HANDLER, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=_ERROR_HANDLER)


def _open_stderr() -> None:
    """Give a process that was started without stderr one: else the next file or socket opened would become it."""
    with contextlib.suppress(OSError):
        os.fstat(2)
        return  # it is open; somebody only took Python's stream away
    descriptor = os.open(os.devnull, os.O_WRONLY)
    if descriptor != 2:
        os.dup2(descriptor, 2)
        os.close(descriptor)
    os.set_inheritable(2, True)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


@contextlib.contextmanager
def _stdout_errors() -> Iterator[None]:
    """A closed pipe stays BrokenPipeError, for which `dsassist.cli` ends quietly; a full disk is told in words."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _point_at_nothing(sys.stdout)
        raise NotDone(f"cannot write to standard output: {(error.strerror or str(error)).lower()}") from error


def _reader_is_gone(stream: TextIO) -> bool:
    try:
        stream.flush()
        descriptor = stream.fileno()
    except BrokenPipeError:
        return True
    except (OSError, ValueError):  # no file behind it, as in tests
        return False
    # An unbuffered stream (PYTHONUNBUFFERED) has nothing left to flush.
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _point_at_nothing(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _tell(prefix: str, text: str, name: Style) -> None:
    if sys.stderr is None:
        return
    if sys.stdout is not None:
        # Both often end in one terminal or one log; the buffered answer should stand where it was written.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
    # A notice that nobody can read must not end the work.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{style(prefix, name, stream=sys.stderr)} {visible(text)}\n")
        sys.stderr.flush()


def _has_color(stream: TextIO | None) -> bool:
    if _mode != "auto":
        return _mode == "always"
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return not stream.closed and stream.isatty()


def _escape(problem: UnicodeError) -> tuple[str | bytes, int]:
    """Surrogates that stand for bytes become those bytes again; any others are spelled out."""
    try:
        return codecs.lookup_error("surrogateescape")(problem)
    except UnicodeEncodeError as still:
        return codecs.backslashreplace_errors(still)
