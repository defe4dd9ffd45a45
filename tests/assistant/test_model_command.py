"""`dsassist model`, through the door that the command line takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_files import write_adapter
from dsassist import config
from dsassist.cli import main
from dsassist_runtime import places
from dsassist_runtime.models.store import BUILTIN_NOTE, BUILTIN_PATH
from gguf_files import gguf_bytes, small_model, write
from model_sources import Hub, entry_fields, serve_hub, write_catalogue

CONTENT = small_model(1 << 16)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(write_catalogue(tmp_path / "catalogue.json", entry_fields(CONTENT))))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", CONTENT)
        yield hub


def _fails(capsys: pytest.CaptureFixture[str], code: int, *argv: str) -> str:
    assert main(["model", *argv]) == code
    return capsys.readouterr().err.splitlines()[-1]


def _installed_and_current(capsys: pytest.CaptureFixture[str]) -> tuple[bool, bool]:
    assert main(["model", "list", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out)["models"] if row["name"] == "tiny"]
    return row["installed"], row["current"]


def test_a_model_is_pulled_used_verified_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _installed_and_current(capsys) == (False, False)
    assert main(["model", "pull", "tiny"]) == 0
    assert capsys.readouterr().out == f"{places.models_dir() / 'tiny-q8_0.gguf'}\n"
    assert main(["model", "use", "tiny"]) == 0
    capsys.readouterr()
    assert _installed_and_current(capsys) == (True, True)
    assert main(["model", "verify", "tiny"]) == 0
    assert main(["model", "verify", "all"]) == 0
    assert capsys.readouterr().out.count("tiny: good, SHA-256 ") == 2
    assert main(["model", "remove", "tiny"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "tiny is removed, 66 KB are free again\n"
    assert "still your configured model" in captured.err
    assert _installed_and_current(capsys) == (False, True)


def test_the_list_marks_the_model_in_use_and_those_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "pull", "tiny"])
    capsys.readouterr()
    assert main(["model", "list"]) == 0
    rows = {line[4:].split()[0]: line[:2] for line in capsys.readouterr().out.splitlines()[1:] if line[4:].strip()}
    assert rows["builtin"] == "*+"
    assert rows["tiny"] == " +"
    assert rows["qwen2.5-coder-0.5b"] == "  "


def test_use_keeps_the_comments_of_the_configuration(tmp_path: Path) -> None:
    path = places.make_writable(places.config_dir()) / "config.toml"
    path.write_text('# mine\nmodel = "builtin"  # for now\n\n[completion]\nmax_tokens = 50 # short\n')
    write(tmp_path / "mine.gguf", CONTENT)
    assert main(["model", "use", "mine.gguf"]) == 0
    assert path.read_text() == (
        f'# mine\nmodel = "{tmp_path / "mine.gguf"}"  # for now\n\n[completion]\nmax_tokens = 50 # short\n'
    )
    assert config.load(tmp_path).config.model == str(tmp_path / "mine.gguf")


def test_use_writes_above_the_tables_of_a_configuration_without_a_model() -> None:
    path = places.make_writable(places.config_dir()) / "config.toml"
    path.write_text("[completion]\nmax_tokens = 50\n")
    assert main(["model", "use", "builtin"]) == 0
    assert config.load(path.parent).config.model == "builtin"
    assert config.load(path.parent).config.completion.max_tokens == 50


def test_use_follows_a_configuration_that_is_a_link(tmp_path: Path) -> None:
    path = places.make_writable(places.config_dir()) / "config.toml"
    (tmp_path / "dotfile.toml").write_text("# kept\n")
    path.symlink_to(tmp_path / "dotfile.toml")
    assert main(["model", "use", "builtin"]) == 0
    assert path.is_symlink()
    assert (tmp_path / "dotfile.toml").read_text() == '# kept\nmodel = "builtin"\n'


def test_use_says_when_the_environment_decides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "tiny")
    assert main(["model", "use", "builtin"]) == 0
    assert "tiny stays in use, as DSASSIST_MODEL says so" in capsys.readouterr().err


def test_use_of_a_model_that_is_not_on_disk_says_to_pull_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "dsassist model pull tiny" in _fails(capsys, 3, "use", "tiny")
    assert not config.user_file().exists()


def test_use_refuses_a_file_that_is_no_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path / "x.gguf", b"something else")
    assert "is no GGUF file" in _fails(capsys, 3, "use", "x.gguf")
    assert not config.user_file().exists()


def test_use_does_not_touch_a_broken_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    path = places.make_writable(places.config_dir()) / "config.toml"
    path.write_text("model = = 1\n")
    assert str(path) in _fails(capsys, 2, "use", "builtin")
    assert path.read_text() == "model = = 1\n"


def test_info_of_a_file_tells_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", str(BUILTIN_PATH), "--ctx", "512"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["architecture"].strip() == "deepseek2"
    assert "order spm, psm" in lines["fill in the middle"]
    assert "with 512 tokens of context" in lines["memory"]


def test_info_in_json_has_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", "builtin", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["kind"] == "builtin"
    assert found["fim_orders"] == ["spm", "psm"]
    assert set(found["fim"]) == {"prefix", "suffix", "middle"}
    assert found["memory_bytes"] == found["weight_bytes"] + found["compute_bytes"] + (
        found["kv_bytes_per_token"] * found["n_ctx"]
    )
    assert BUILTIN_NOTE in captured.err


def test_info_of_an_architecture_that_nobody_knows_still_works(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path / "odd.gguf", gguf_bytes({"general.architecture": "hyena9"}, {"t": (0, (8,), 32)}))
    assert main(["model", "info", "odd.gguf"]) == 0
    captured = capsys.readouterr()
    assert "hyena9" in captured.out
    assert "without it" in captured.err


def test_info_of_a_model_that_was_not_pulled_is_the_catalogues(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", "gpt-oss-20b"]) == 0
    captured = capsys.readouterr()
    assert "ggml-org/gpt-oss-20b-GGUF" in captured.out
    assert "not on this disk" in captured.err


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["pull", "tinny"], 2, "did you mean tiny?"),
        (["remove", "builtin"], 2, "cannot be removed"),
        (["remove", "tiny"], 3, "nothing to remove"),
        (["verify", "tiny"], 3, "not on this disk"),
        (["info", "."], 3, "is a directory"),
        (["info", "none.gguf"], 3, "there is no file"),
        (["info", "builtin", "--ctx", "0"], 2, "no number of tokens above 0"),
        (["use", "http:///v1"], 2, "it names no host"),
        ([], 2, "ACTION"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_right_exit_code(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, message: str
) -> None:
    assert message in _fails(capsys, code, *argv)


def test_verify_of_all_goes_on_after_a_damaged_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hub: Hub
) -> None:
    other = small_model(1 << 15)
    hub.put("acme/tiny-GGUF", "other.gguf", other)
    write_catalogue(
        tmp_path / "catalogue.json", entry_fields(CONTENT), entry_fields(other, name="other", file="other.gguf")
    )
    assert main(["model", "pull", "tiny", "other"]) == 0
    write(places.models_dir() / "tiny-q8_0.gguf", CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    capsys.readouterr()
    assert main(["model", "verify", "all"]) == 3
    captured = capsys.readouterr()
    assert "tiny-q8_0.gguf is damaged" in captured.out
    assert "other: good" in captured.out


def test_an_adapter_is_described_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_adapter(tmp_path / "mine.gguf", BUILTIN_PATH)
    assert main(["model", "info", str(path)]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    told = {label: text.strip() for label, text in lines.items()}
    assert told["what"].startswith("a LoRA adapter: not a model, but what changes one")
    assert (told["name"], told["for the model"], told["rank"], told["alpha"]) == ("mine", "the base", "2", "4")
    assert main(["model", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matrices"] == "2"
