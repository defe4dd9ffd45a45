"""What a configuration's `model` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist_runtime import places
from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelMissing
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models import store
from gguf_files import small_model, write
from model_sources import entry_fields, write_catalogue

CONTENT = small_model(1 << 12)


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_CATALOGUE", str(write_catalogue(tmp_path / "c.json", entry_fields(CONTENT))))


def test_builtin_is_the_packaged_file_with_its_card() -> None:
    found = store.resolve("builtin")
    assert found.kind == "builtin"
    assert read_header(found.path).architecture == "deepseek2"
    assert found.path.with_suffix(".md").read_text().startswith("# ")


def test_a_catalogue_name_is_the_pulled_file() -> None:
    path = places.make_writable(places.models_dir()) / "tiny-q8_0.gguf"
    write(path, CONTENT)
    assert store.resolve("tiny") == store.ResolvedModel("tiny", path, "catalogue", "Tiny")


def test_a_model_that_was_not_pulled_says_how_to_get_it() -> None:
    with pytest.raises(ModelMissing, match=r"not on this disk; get it with `dsassist model pull tiny` \(4\.\d KB\)"):
        store.resolve("tiny")


def test_a_pulled_file_of_another_size_is_refused() -> None:
    write(places.make_writable(places.models_dir()) / "tiny-q8_0.gguf", CONTENT[:-1])
    with pytest.raises(ModelInvalid, match=rf"{len(CONTENT) - 1} bytes and not {len(CONTENT)}"):
        store.resolve("tiny")


def test_a_path_counts_from_the_given_folder(tmp_path: Path) -> None:
    write(tmp_path / "mine.gguf", CONTENT)
    assert store.resolve("mine.gguf", tmp_path).path == tmp_path / "mine.gguf"
    assert store.resolve("./mine.gguf", tmp_path).kind == "file"


def test_a_path_may_begin_with_the_home(isolated: Path) -> None:
    write(isolated / "mine.gguf", CONTENT)
    assert store.resolve("~/mine.gguf").path == isolated / "mine.gguf"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("none/x.gguf", ModelMissing, "there is no file"),
        ("x.gguf", ModelMissing, "there is no file"),
        ("/", ModelInvalid, "is a directory"),
        ("http://localhost:8080", DsassistError, "is an address, which has no file"),
        ("~nobody-at-all/x.gguf", ModelMissing, "there is no file"),
        ("x" * 300 + ".gguf", ModelInvalid, "name too long"),
        ("tinny", DsassistError, "did you mean tiny"),
        ("zzzzzz", DsassistError, "`dsassist model list`"),
    ],
)
def test_what_names_no_model_is_told(tmp_path: Path, name: str, kind: type[DsassistError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        store.resolve(name, tmp_path)
    assert type(caught.value) is kind
