"""The catalogue: the packaged one is sound, and a bad one is told by file, entry and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.models import catalogue
from gguf_files import small_model
from model_sources import entry_fields, write_catalogue

CONTENT = small_model(1 << 12)


def test_the_packaged_catalogue_has_the_promised_models() -> None:
    entries = catalogue.load()
    assert set(entries) == {
        "deepseek-coder-v2-lite-base",
        "deepseek-coder-v2-lite-instruct",
        "qwen3-coder-30b-a3b",
        "gpt-oss-20b",
        "qwen2.5-coder-0.5b",
        "qwen2.5-coder-1.5b",
        "qwen2.5-coder-7b",
    }
    assert all(entry.sha256 for entry in entries.values() if entry.index), "joined slices are nothing without a digest"
    assert all(entry.memory_gb * 1e9 > (entry.bytes or 0) for entry in entries.values())
    assert all(entry.active_parameters_b <= entry.parameters_b for entry in entries.values())


def test_a_team_adds_and_replaces_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = entry_fields(CONTENT), entry_fields(CONTENT, name="gpt-oss-20b", title="Ours", file="ours.gguf")
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(write_catalogue(tmp_path / "c.json", *ours)))
    entries = catalogue.load()
    assert entries["tiny"].file_name == "tiny-q8_0.gguf"
    assert entries["gpt-oss-20b"].title == "Ours"
    assert "qwen2.5-coder-0.5b" in entries


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "builtin"}, "name is 'builtin'"),
        ({"name": "Big"}, "name is 'Big'"),
        ({"repository": "acme"}, "repository is 'acme', and must be owner/name"),
        ({"file": "../x.gguf"}, "file is"),
        ({"file": "/etc/x.gguf"}, "file is"),
        ({"file": "x.bin"}, "file is"),
        ({"bytes": 0}, "bytes is 0"),
        ({"bytes": True}, "bytes is True"),
        ({"sha256": "abc"}, "sha256 is 'abc', and must be 64 hexadecimal digits"),
        ({"fim": "mps"}, "fim is 'mps'"),
        ({"chat": "yes"}, "chat is 'yes'"),
        ({"index": {"packages": ["--index-url=x"], "member": ".bin"}}, "index.packages is"),
        ({"index": {"packages": ["a==1"]}}, "index must be null or have exactly"),
        ({"extra": 1}, "there is no field 'extra'"),
    ],
)
def test_a_bad_field_is_named_with_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    path = write_catalogue(tmp_path / "c.json", entry_fields(CONTENT, **change))
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(path))
    with pytest.raises(DsassistError) as caught:
        catalogue.load()
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"models": 1}', '{"models": [1]}', '{"models": [{}]}'])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(tmp_path / "c.json"))
    with pytest.raises(DsassistError, match=r"c\.json"):
        catalogue.load()


def test_two_models_cannot_share_a_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_catalogue(tmp_path / "c.json", entry_fields(CONTENT), entry_fields(CONTENT, name="other"))
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(path))
    with pytest.raises(DsassistError, match=r"tiny and other have the same file name"):
        catalogue.load()


def test_an_unknown_name_gets_close_ones() -> None:
    with pytest.raises(DsassistError, match=r"did you mean .*qwen2\.5-coder-0\.5b"):
        catalogue.entry_of("qwen-coder-0.5b")


@pytest.mark.parametrize(("n_bytes", "words"), [(491400064, "491 MB"), (1117320768, "1.1 GB"), (12, "12 bytes")])
def test_sizes_are_written_as_download_pages_do(n_bytes: int, words: str) -> None:
    assert catalogue.in_words(n_bytes) == words
