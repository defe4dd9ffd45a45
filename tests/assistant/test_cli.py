"""The command line's frame: finding commands, one error boundary, streams that bear any text.

The commands here come from a distribution of the test's own, found as any other package's commands are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsassist.cli import Outcome, main, run_command
from dsassist_runtime import places
from dsassist_runtime.version import __version__

DSASSIST = str(Path(sys.executable).parent / "dsassist")

PLUGIN = """
import os
import signal
import sys
import time

from dsassist import output
from dsassist.command import Command
from dsassist_runtime.errors import DsassistError, NotDone


def say(args):
    output.write_line(output.style(" ".join(args.words), "bold"))
    return args.code


def say_arguments(parser):
    parser.add_argument("words", nargs="*")
    parser.add_argument("--code", type=int, default=0)


def usage(args):
    raise DsassistError("mend it")


def not_done(args):
    raise NotDone("no model")


def boom(args):
    output.write_line("half an answer")
    raise ValueError("it broke\\nin two lines")


def lost_connection(args):
    raise BrokenPipeError("the other side is gone")


def interrupted(args):
    output.write_line("working")
    sys.stdout.flush()
    time.sleep(60)


def flood(args):
    for _ in range(200_000):
        output.write_line("finding")
    return 0


def odd(args):
    output.write_line("é \\udcff \\ud800")
    output.notice("ü \\udcfe")
    return 0


def no_arguments(parser):
    pass


SAY = Command("say words", say_arguments, say, "Say the words. 100% of them.")
USAGE = Command("usage", no_arguments, usage)
NOT_DONE = Command("not done", no_arguments, not_done)
BOOM = Command("boom", no_arguments, boom)
LOST = Command("lost", no_arguments, lost_connection)
INTERRUPTED = Command("interrupted", no_arguments, interrupted)
FLOOD = Command("flood", no_arguments, flood)
ODD = Command("odd", no_arguments, odd)
WRONG = "no command"
"""
COMMANDS = """
[dsassist.commands]
t-say = dsassist_cli_plugin:SAY
t-usage = dsassist_cli_plugin:USAGE
t-not-done = dsassist_cli_plugin:NOT_DONE
t-boom = dsassist_cli_plugin:BOOM
t-lost = dsassist_cli_plugin:LOST
t-wait = dsassist_cli_plugin:INTERRUPTED
t-flood = dsassist_cli_plugin:FLOOD
t-odd = dsassist_cli_plugin:ODD
t-wrong = dsassist_cli_plugin:WRONG
t-gone = dsassist_cli_plugin_that_is_gone:COMMAND
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution with commands, here and in subprocesses."""
    site = tmp_path / "site"
    metadata = site / "dsassist_cli_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "dsassist_cli_plugin.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: dsassist-cli-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(COMMANDS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([DSASSIST, *argv], env=os.environ | environ, capture_output=True, check=False, timeout=60)


# -- finding the command


def test_version_is_printed_by_the_installed_script() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dsassist {__version__}\n".encode(), b"")


def test_version_imports_neither_argparse_nor_metadata() -> None:
    code = "import sys; from dsassist.cli import main; main(['--version']); print('argparse' in sys.modules)"
    plain = subprocess.run(
        [sys.executable, "-c", "import sys; print('argparse' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert plain.stdout == "False\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"dsassist {__version__}\nFalse\n"


def test_command_gets_its_arguments_and_gives_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["t-say", "a", "b", "--code", "1"]) == 1
    assert capsys.readouterr() == ("a b\n", "")


def test_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "dsassist", "t-say", "x"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"x\n")


def test_help_lists_every_command_also_beside_one_that_cannot_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "  t-say              say words\n" in printed
    assert "  t-gone             (cannot be loaded)\n" in printed
    assert "  config             show the options in effect and where each came from\n" in printed


def test_without_a_command_the_help_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "commands:" in printed.err


def test_help_of_a_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["t-say", "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: dsassist t-say")
    assert "Say the words. 100% of them." in printed


def test_unknown_command_names_what_was_probably_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["confg"]) == 2
    assert capsys.readouterr().err == "dsassist: there is no command 'confg'; did you mean config?\n"


def test_unknown_command_like_no_other_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert "there are bench, complete, config," in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t-gone", "t-wrong"])
def test_command_that_cannot_be_loaded_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 3
    printed = capsys.readouterr().err
    assert printed.startswith(f"dsassist: the command '{name}' cannot be loaded")
    assert printed.count("\n") == 1


# -- colour


@pytest.mark.parametrize("argv", [["--color", "always", "t-say", "x"], ["t-say", "--color", "always", "x"]])
def test_color_may_stand_before_or_behind_the_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out == "\x1b[1mx\x1b[0m\n"


def test_color_ends_with_the_command_that_asked_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--color=always", "t-say", "x"])
    main(["t-say", "x"])
    assert capsys.readouterr().out == "\x1b[1mx\x1b[0m\nx\n"


# -- the error boundary


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["t-usage"], 2, "mend it"),
        (["t-not-done"], 3, "no model"),
        (["t-say", "--cod", "1"], 2, "unrecognized arguments: --cod; see `dsassist t-say --help`"),
        (["t-say", "--code", "x"], 2, "argument --code: invalid int value: 'x'; see `dsassist t-say --help`"),
        (["--frobnicate", "t-say"], 2, "unrecognized arguments: --frobnicate; see `dsassist --help`"),
        (["--color", "pink", "t-say"], 2, "argument --color: invalid choice: 'pink'"),
        (["--color"], 2, "argument --color: expected one argument; see `dsassist --help`"),
    ],
)
def test_error_is_one_line_and_its_exit_code(
    argv: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"dsassist: {said}")
    assert printed.err.count("\n") == 1


def test_working_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'rmdir "{gone}" && exec "{DSASSIST}" t-say x'
    done = subprocess.run(["sh", "-c", script], cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "dsassist: the working directory does not exist any more; go into one that does\n"


def test_outcome_is_told_without_printing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["t-not-done"]) == Outcome(3, "no model")
    assert run_command(["t-say", "--code", "1"]) == Outcome(1)
    assert capsys.readouterr() == ("\n", "")


def test_bug_of_ours_is_one_line_and_a_log() -> None:
    done = run("t-boom")
    assert (done.returncode, done.stdout) == (3, b"half an answer\n")
    (log,) = places.state_dir().glob("crash-*.log")
    expected = f"dsassist: internal error: ValueError: it broke in two lines; please report it with {log}\n"
    assert done.stderr.decode() == expected
    text = log.read_text()
    assert text.startswith(f"dsassist {__version__}, Python 3.")
    assert "Traceback (most recent call last)" in text
    assert "in boom" in text


def test_bug_of_ours_is_one_line_where_no_log_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    places.state_dir().parent.mkdir(parents=True)
    places.state_dir().write_text("a file where the folder should be")
    assert main(["t-boom"]) == 3
    assert capsys.readouterr().err == "dsassist: internal error: ValueError: it broke in two lines\n"


def test_old_crash_logs_are_removed() -> None:
    places.state_dir().mkdir(parents=True)
    for number in range(30):
        (places.state_dir() / f"crash-20200101-0000{number:02}-1.log").touch()
    assert main(["t-boom"]) == 3
    logs = sorted(path.name for path in places.state_dir().glob("crash-*.log"))
    assert len(logs) == 20
    assert not logs[-1].startswith("crash-2020")


def test_lost_connection_is_not_taken_for_a_closed_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["t-lost"]) == 3
    assert "internal error: BrokenPipeError" in capsys.readouterr().err


def test_interrupt_ends_quietly_with_130() -> None:
    with subprocess.Popen([DSASSIST, "t-wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"working\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 130


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_ends_it_quietly(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with subprocess.Popen([DSASSIST, "t-flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"finding\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_disk_behind_stdout_is_told(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([DSASSIST, "t-say", "x"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr == b"dsassist: cannot write to standard output: no space left on device\n"


@pytest.mark.parametrize("environ", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_any_text_passes_in_a_c_locale(environ: dict[str, str]) -> None:
    done = run("t-odd", **environ)
    assert done.returncode == 0
    assert done.stdout == b"\xc3\xa9 \xff \\ud800\n"
    assert done.stderr == b"dsassist: \xc3\xbc \xfe\n"


def test_closed_streams_do_no_harm() -> None:
    done = subprocess.run(["sh", "-c", f"exec '{DSASSIST}' t-say x >&- 2>&-"], check=False)
    assert done.returncode == 0
