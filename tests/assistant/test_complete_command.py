"""`dsassist complete`, through the door that the command line takes, with the builtin model on a real server."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import main
from dsassist.commands.complete import COMMAND, run
from dsassist_runtime.client import server_health
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models.store import BUILTIN_NOTE, BUILTIN_PATH
from dsassist_runtime.testing import ScriptedEngine
from gguf_files import small_model, write

GOOD = "def area(width, height):\n    return \n"
END_OF_LINE_2 = "good.py:2:12"
NOTE = f"dsassist: {BUILTIN_NOTE}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that the tests name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSASSIST_ENGINE_N_THREADS", "1")  # so that a seed repeats its text to the last bit
    write(tmp_path / "good.py", GOOD.encode())
    return tmp_path


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The one object that `--json` prints."""
    assert main(["complete", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What went to stderr, but for the builtin model's note: one line. Nothing went to stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    said = err.removeprefix(NOTE)
    assert said.startswith("dsassist: ")
    assert said.endswith("\n")
    assert said.count("\n") == 1, said
    return said.removeprefix("dsassist: ").rstrip("\n")


# -- the answer


def test_the_text_goes_to_stdout_and_the_note_to_stderr(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", END_OF_LINE_2, "--seed", "1"]) == 0
    streamed = capsys.readouterr()
    assert streamed.err.startswith(NOTE)
    assert streamed.out == figures(capsys, END_OF_LINE_2, "--seed", "1")["text"] + "\n"


def test_json_is_one_object_with_the_figures(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", END_OF_LINE_2, "--json", "--temperature", "0"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert printed.err == NOTE
    found = json.loads(printed.out)
    assert isinstance(found.pop("probability"), (float, type(None)))  # None where nothing is offered
    assert {name: type(value) for name, value in found.items()} == {
        "text": str,
        "replaces": int,
        "reason": str,
        "finish_reason": str,
        "prompt_tokens": int,
        "cached_tokens": int,
        "completion_tokens": int,
        "ttft_ms": float,
        "total_ms": float,
        "model": str,
    }
    assert found["finish_reason"] in ("stop", "length")
    assert found["model"] == "builtin"
    assert 0 < found["ttft_ms"] <= found["total_ms"]
    assert found["cached_tokens"] == 0


def test_what_the_server_has_read_is_not_read_again(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures(capsys, END_OF_LINE_2)
    again = figures(capsys, END_OF_LINE_2)
    assert 0 < again["cached_tokens"] < again["prompt_tokens"]


def test_a_seed_repeats_the_draw(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = (END_OF_LINE_2, "--temperature", "1.5", "--max-tokens", "12", "--seed")
    texts = [figures(capsys, *hot, seed)["text"] for seed in ("1", "2", "3", "1", "2", "3")]
    assert texts[:3] == texts[3:]
    assert len(set(texts)) > 1


def test_max_tokens_is_kept(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = (END_OF_LINE_2, "--temperature", "1.5", "--max-tokens", "2", "--seed")
    ends = [figures(capsys, *hot, str(seed)) for seed in range(8)]
    assert all(end["completion_tokens"] <= 2 for end in ends)
    cut = [end for end in ends if end["finish_reason"] == "length"]
    assert cut, "none of the draws was longer"
    assert all(end["completion_tokens"] == 2 for end in cut)


def test_experts_are_shown_on_stderr(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", END_OF_LINE_2, "--seed", "1", "--show-experts"]) == 0
    out, err = capsys.readouterr()
    assert "experts" not in out
    assert "experts chosen, a column each (" in err
    assert "evenness 0." in err


def test_experts_in_json_are_counts_of_each_layer(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routing = figures(capsys, END_OF_LINE_2, "--seed", "1", "--show-experts")["routing"]
    n_experts = read_header(BUILTIN_PATH).integer("{arch}.expert_count")
    assert routing
    for layer in routing:
        assert len(layer["counts"]) == n_experts
        assert sum(layer["counts"]) > 0


def test_a_file_with_crlf_gets_crlf_back(capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("crlf.py"), b"class Shape:\r\n    def area(self):\r\n        \r\n")
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    written = "if self.flat:\n            return 0\n        return self.a * self.b\n"
    assert run(parser.parse_args(["crlf.py:3:9", "--json"]), lambda _: ScriptedEngine([written])) == 0
    text = json.loads(capsys.readouterr().out)["text"]
    assert text == "if self.flat:\r\n            return 0\r\n        return self.a * self.b"


def test_standard_input_is_completed_as_the_file_that_it_belongs_to(server: Path, folder: Path) -> None:
    """The text comes from the pipe, and the configuration from where the file lies."""
    (folder / "inner").mkdir()
    write(folder / "inner" / "dsassist.toml", b"[completion]\nmax_tokens = 2\ntemperature = 0\n")
    command = [sys.executable, "-m", "dsassist", "complete", "-:2:12", "--path", "inner/none.py", "--json"]
    done = subprocess.run(command, input=GOOD.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["completion_tokens"] == 2


@pytest.mark.parametrize(("data", "line", "column"), [(b"", 1, 1), (b"\n", 2, 1), (b"x = ", 1, 5)])
def test_an_empty_file_and_the_end_of_a_file_are_places(
    server: Path, capsys: pytest.CaptureFixture[str], data: bytes, line: int, column: int
) -> None:
    write(Path("small.py"), data)
    found = figures(capsys, f"small.py:{line}:{column}", "--max-tokens", "4")
    assert found["completion_tokens"] <= 4 + 2  # two may have spelled only what stands there already


# -- what bad input gets


def bad_files(folder: Path) -> None:
    (folder / "folder").mkdir()
    write(folder / "latin.py", b'name = "caf\xe9"\n')
    write(folder / "binary.py", b"x = 1\n\0\1\2")
    write(folder / "big.py", b"x = 1  # as long\n" * (5 * 1024 * 1024 // 17 + 1))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("none.py:1:1", "none.py does not exist"),
        ("good.py/x.py:1:1", "cannot read good.py/x.py: not a directory"),
        ("folder:1:1", "folder is a directory, not a file"),
        ("good.py:4:1", "good.py has 3 lines; line 4 is outside"),
        ("good.py:2:13", "line 2 of good.py has 11 characters; column 13 is outside"),
        ("latin.py:1:1", "latin.py is not UTF-8: byte 0xe9 at offset 11; save it as UTF-8"),
        ("binary.py:1:1", "binary.py is binary (a NUL byte at offset 6), not text"),
        ("big.py:1:1", "big.py has 5.0 MB; files above 4 MB are not completed"),
        (
            "good.py:0:1",
            "'good.py:0:1' is no place: write FILE:LINE:COL, both numbers from 1, as in src/app.py:12:5",
        ),
        ("good.py", "'good.py' is no place: write FILE:LINE:COL, both numbers from 1, as in src/app.py:12:5"),
    ],
)
def test_a_place_that_cannot_be_completed_is_a_usage_error(
    folder: Path, capsys: pytest.CaptureFixture[str], place: str, said: str
) -> None:
    bad_files(folder)
    assert main(["complete", place]) == 2
    assert sentence(capsys) == said
    assert server_health() is None, "no server is started for nothing"


def test_bad_standard_input_is_told_by_the_name_given() -> None:
    for path, name in (([], "standard input"), (["--path", "app.py"], "app.py")):
        command = [sys.executable, "-m", "dsassist", "complete", "-:1:1", *path]
        done = subprocess.run(command, input=b"caf\xe9", capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr == f"dsassist: {name} is not UTF-8: byte 0xe9 at offset 3; save it as UTF-8\n".encode()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--temperature", "2.5", "'2.5' is not allowed; allowed is a number from 0 to 2"),
        ("--temperature", "nan", "'nan' is not allowed"),
        ("--max-tokens", "0", "'0' is not allowed; allowed is a whole number from 1 to 4096"),
        ("--model", "qwen2.5-coder-0.4b", "did you mean qwen2.5-coder-0.5b"),
        ("--model", "nosuch", "the catalogue has no model 'nosuch'; `dsassist model list` shows them all"),
        ("--model", "ftp://localhost/v1", "is no address that can be used: it must begin with http:// or https://"),
    ],
)
def test_an_option_out_of_range_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    assert main(["complete", END_OF_LINE_2, option, value]) == 2
    assert said in sentence(capsys)


def test_a_model_of_the_catalogue_that_was_not_pulled_says_how_to_pull_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", END_OF_LINE_2, "--model", "qwen2.5-coder-7b"]) == 3
    assert sentence(capsys).startswith(
        "qwen2.5-coder-7b is not on this disk; get it with `dsassist model pull qwen2.5-coder-7b` ("
    )


def bad_models(folder: Path) -> None:
    whole = BUILTIN_PATH.read_bytes()
    (folder / "models").mkdir()
    write(folder / "cut-header.gguf", whole[:5000])
    write(folder / "cut.gguf", whole[:-1000])
    write(folder / "text.gguf", b"this is a page that says: not found\n")
    write(folder / "empty.gguf", b"")
    # As long as the true one, so that the header stays good; llama.cpp is the one to refuse it.
    architecture = read_header(BUILTIN_PATH).architecture.encode()
    write(folder / "strange.gguf", whole.replace(architecture, b"nosuchnetwork"[: len(architecture)]))
    write(folder / "weightless.gguf", small_model(1 << 12))


BAD_MODELS = [
    ("none.gguf", "there is no file {}; check the path, or see `dsassist model list`"),
    ("models", "{} is a directory; name the GGUF file inside it"),
    ("text.gguf", "{} is no GGUF file (it does not begin with GGUF)"),
    ("empty.gguf", "{} is empty; pull it again"),
    ("cut-header.gguf", "{} is truncated: its header goes on past its 5000 bytes; pull it again"),
    ("cut.gguf", "{} is truncated: tensor "),
]
REFUSED_BY_LLAMA_CPP = [
    ("strange.gguf", "{}: this llama.cpp does not know the architecture nosuch"),
    ("weightless.gguf", "{}: llama.cpp cannot load it (llama_model_load: error loading model: "),
]


@pytest.mark.parametrize(("name", "said"), BAD_MODELS + REFUSED_BY_LLAMA_CPP)
def test_a_model_that_cannot_serve_completes_nothing(
    server: Path, folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    bad_models(folder)
    assert main(["complete", END_OF_LINE_2, "--model", f"./{name}"]) == 3
    assert sentence(capsys).startswith(said.format(folder / name))


@pytest.mark.parametrize("command", [["model", "info"], ["model", "use"], ["serve", "--model"]])
@pytest.mark.parametrize(("name", "said"), BAD_MODELS)
def test_every_command_says_the_same_of_a_bad_model(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], name: str, said: str
) -> None:
    bad_models(folder)
    assert main([*command, f"./{name}"]) == 3
    assert sentence(capsys).startswith(said.format(folder / name))


def test_a_bad_model_does_no_harm_to_the_next_request(
    server: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_models(folder)
    assert main(["complete", END_OF_LINE_2, "--model", "./strange.gguf"]) == 3
    assert main(["complete", END_OF_LINE_2]) == 0


def test_a_stale_socket_of_a_killed_server_is_no_hindrance(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", END_OF_LINE_2]) == 0
    health = server_health()
    assert health is not None
    os.kill(health["pid"], signal.SIGKILL)
    assert (server / "server.sock").is_socket()
    capsys.readouterr()
    assert main(["complete", END_OF_LINE_2]) == 0
    said = capsys.readouterr().err.removeprefix(NOTE)
    assert said == "" or said.startswith("dsassist: nothing to add here: ")
    again = server_health()
    assert again is not None
    assert again["pid"] != health["pid"]


@pytest.mark.parametrize("command", [["complete", END_OF_LINE_2], ["serve"]])
def test_a_home_that_cannot_be_written_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setenv("DSASSIST_HOME", str(folder / "good.py" / "home"))
    assert main(command) == 3
    assert sentence(capsys) == (
        f"cannot write to {folder}/good.py/home/run: not a directory; "
        "make it writable, or set DSASSIST_HOME to a folder that is"
    )
