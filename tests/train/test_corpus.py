"""Which projects and files a corpus is made of, and what is said of the rest."""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.errors import DsassistError
from dsassist_train.corpus import building, command
from dsassist_train.corpus.building import CorpusTexts, Wanted, collect
from dsassist_train.corpus.files import LeftOut, SourceText, read_source_text
from dsassist_train.corpus.licences import in_words, is_permissive, licence_of_text, stated_in_file
from dsassist_train.corpus.projects import find_projects
from dsassist_train.corpus.related import related_files
from dsassist_train.corpus.similar import NearDuplicates, Windows, signature
from dsassist_train.corpus.writing import check_target, write_corpus
from dsassist_train.packing.folder import CorpusFolder

_MIT = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
_GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\nEveryone is permitted to copy ..."
_BSD3 = """Redistribution and use in source and binary forms, with or without modification, are permitted provided that:
* Neither the name of the copyright holder nor the names of its contributors may be used to endorse"""


def _code(seed: int, n_functions: int = 30) -> str:
    """Python that nobody wrote and that resembles no other seed's."""
    draw = random.Random(seed)

    def word() -> str:
        return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=7))

    parts = []
    for _ in range(n_functions):
        name, first, second, third = (word() for _ in range(4))
        parts.append(
            f"def {name}({first}, {second}):\n    {third} = {word()}({first}, {word()}={second})\n"
            f"    if {third} {draw.choice(['<', '>', '=='])} {draw.randrange(99)}:\n        return {third}.{word()}\n"
            f"    return [{word()}({first}) for {first} in {third}]\n"
        )
    return "\n\n".join(parts)


def _project(root: Path, name: str, licence: str = _MIT, **files: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    if licence:
        (folder / "LICENSE").write_text(licence)
    else:
        (folder / "setup.py").write_text("")
    for path, text in files.items():
        file = folder / path.replace("__slash__", "/").replace("__dot__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def _py(**texts: str) -> dict[str, str]:
    return {f"{name}__dot__py": text for name, text in texts.items()}


def _collect(*folders: Path, monkeypatch: pytest.MonkeyPatch | None = None, **options: object) -> CorpusTexts:
    return collect(Wanted(folders, **options), lambda _: None)  # type: ignore[arg-type]


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of a few files is large enough."""
    monkeypatch.setitem(building.LEAST_BYTES, "train", 1)
    monkeypatch.setitem(building.LEAST_BYTES, "valid", 0)


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", True),
        ("(MIT AND GPL-2.0-only) OR (LGPL-3.0-only)", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("", False),
        ("Proprietary", False),
    ],
)
def test_an_expression_allows_what_it_says(expression: str, permissive: bool) -> None:
    assert is_permissive(expression) is permissive


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("MIT License", "MIT"),
        ("License :: OSI Approved :: BSD License", "LicenseRef-BSD"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("GNU General Public License v3 (GPLv3)", "GPL-2.0"),
        ("GNU Lesser General Public License v3", "LGPL-2.1"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("Python Software Foundation License", "PSF-2.0"),
        ("see the file", ""),
    ],
)
def test_licences_are_known_by_their_names_in_words(words: str, licence: str) -> None:
    assert in_words(words) == licence


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (_MIT, "MIT"),
        (_GPL, "GPL-2.0"),
        (_BSD3, "BSD-3-Clause"),
        (_BSD3.split("\n")[0], "BSD-2-Clause"),
        (f"{_MIT}\n\n{_GPL}", "GPL-2.0 AND MIT"),
        ("Apache License\nVersion 2.0, January 2004", "Apache-2.0"),
        ("All rights reserved.", ""),
    ],
)
def test_licences_are_known_by_their_texts(text: str, licence: str) -> None:
    assert licence_of_text(text) == licence


def test_a_file_may_state_a_licence_of_its_own() -> None:
    assert stated_in_file("# SPDX-License-Identifier: GPL-2.0-only\nx = 1") == "GPL-2.0-only"
    assert stated_in_file("/* SPDX-License-Identifier: MIT OR Apache-2.0 */") == "MIT OR Apache-2.0"
    assert stated_in_file("# under the terms of the GNU\n# General Public License") == "GPL-2.0"
    assert stated_in_file("x = 1") == ""


def test_installed_distributions_are_found_by_their_metadata(tmp_path: Path) -> None:
    def distribution(name: str, metadata: str, licence: str = "") -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        (info / "licenses").mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n{metadata}\n")
        (info / "licenses" / "LICENSE").write_text(licence)
        rows = [
            f"{name}/a.py,,",
            f"{name}-1.0.dist-info/METADATA,,",
            f"{name}-1.0.dist-info/licenses/LICENSE,,",
            "../x,,",
        ]
        (info / "RECORD").write_text("\n".join(rows))

    distribution("by_expression", "License-Expression: MIT OR Apache-2.0", _GPL)
    distribution("by_text", "Classifier: License :: OSI Approved :: BSD License", _BSD3)
    distribution("By.Classifier", "Classifier: License :: OSI Approved :: MIT License", "see elsewhere")
    distribution("copyleft", "License: MIT license\nClassifier: License :: OSI Approved :: MIT License", _GPL)
    distribution("silent", "Summary: x")
    found = {project.name: project for project in find_projects(tmp_path)}
    assert {name: project.licence for name, project in found.items()} == {
        "by-classifier": "MIT",
        "by-expression": "MIT OR Apache-2.0",
        "by-text": "BSD-3-Clause",
        "copyleft": "GPL-2.0",
        "silent": "",
    }
    assert found["by-text"].files == ("by_text/a.py",)


def test_projects_of_other_languages_are_found_by_their_own_files(tmp_path: Path) -> None:
    node = tmp_path / "one" / "node_modules"
    for name, licence in (("left", '"ISC"'), ("@scope/right", '{"type": "GPL-3.0-only"}')):
        (node / name).mkdir(parents=True)
        (node / name / "package.json").write_text(f'{{"name": "{name}", "license": {licence}}}')
    crate = tmp_path / "two" / "crate-1.2.3"
    crate.mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "x"\nlicense = "MIT/Apache-2.0"\n')
    found = {project.name: project.licence for each in ("one", "two") for project in find_projects(tmp_path / each)}
    assert found == {"left": "ISC", "@scope/right": "GPL-3.0-only", "crate": "MIT OR Apache-2.0"}


def test_a_repository_gives_what_git_knows_and_no_ignored_file(tmp_path: Path) -> None:
    from dsassist.git import run_git

    project = _project(tmp_path, "mine", **_py(kept=_code(1), made=_code(2)))
    (project / ".gitignore").write_text("made.py\n")
    run_git(["init", "-q"], project)
    assert [path for path in find_projects(project)[0].files if path.endswith(".py")] == ["kept.py"]


def _refusal(tmp_path: Path, path: str, text: str | bytes) -> str:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_source_text("p", tmp_path, path)
    return found.reason if isinstance(found, LeftOut) else ""


_TABLE = "TABLE = [\n" + "".join(f"    0x{i * 7919:06x}, {i}, {i * 3},\n" for i in range(300)) + "]\n"


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("a.py", _code(1), ""),
        ("README.md", "x" * 500, "no code"),
        ("pkg/_vendor/a.py", _code(1), "vendored"),
        ("vendor/a.go", "package a\n", "vendored"),
        ("tests/fixtures/a.py", _code(1), "fixture"),
        ("a_pb2.py", _code(1), "generated, vendored or data by its name"),
        ("package.json", "{}", "generated, vendored or data by its name"),
        ("a.py", "x = 1\n", "short"),
        ("a.py", "# Code generated by x. DO NOT EDIT.\n" + _code(1), "generated"),
        ("a.py", _code(1) + "\nx = '" + "a b " * 90 + "'\n", "long lines"),
        ("a.js", "var a=1;" * 400, "minified"),
        ("a.py", _TABLE, "data"),
        ("a.py", _code(1) + "\n)\n", "does not parse"),
        ("a.py", "print 'python two'\n" * 20, "does not parse"),
        ("a.py", "# SPDX-License-Identifier: AGPL-3.0-only\n" + _code(1), "a licence of its own"),
        ("a.py", b"\xff\xfe" + _code(1).encode(), "not UTF-8"),
        ("a.py", b"\0" + _code(1).encode(), "binary"),
        ("a.py", _code(1, 1500), "large"),
    ],
)
def test_files_that_teach_badly_are_left_out_with_the_reason(
    tmp_path: Path, path: str, text: str | bytes, reason: str
) -> None:
    assert _refusal(tmp_path, path, text) == reason


def test_secrets_are_replaced_and_line_ends_are_line_feeds(tmp_path: Path) -> None:
    key = "ghp_" + "A1b2C3d4E5f6" * 3
    (tmp_path / "a.py").write_bytes(f'\ufeffTOKEN = "{key}"\r\n'.encode() + _code(1).encode())
    found = read_source_text("p", tmp_path, "a.py")
    assert isinstance(found, SourceText)
    assert key not in found.text
    assert found.text.startswith('TOKEN = "..."\n')
    assert found.n_secrets == 1


def test_signatures_tell_how_alike_texts_are() -> None:
    text = _code(1, 60)
    lines = text.split("\n")
    near = "\n".join(line for i, line in enumerate(lines) if i % 60 != 7)
    half = "\n".join(lines[: len(lines) // 2])
    assert (signature(text) == signature("  " + text.replace("\n", "\n  "))).all()
    assert (signature(text) == signature(near)).mean() > 0.85
    assert 0.35 < (signature(text) == signature(half)).mean() < 0.65
    assert (signature(text) == signature(_code(2, 60))).mean() < 0.1


def test_near_duplicates_are_found_among_many() -> None:
    seen = NearDuplicates()
    texts = [_code(seed) for seed in range(40)]
    assert all(seen.add(signature(text)) for text in texts)
    assert not any(seen.add(signature(text.replace("return", "return  ") + "\n\nX = 1\n")) for text in texts)


def test_windows_find_a_text_inside_a_longer_one() -> None:
    held_out = Windows()
    held_out.add(_code(1))
    assert held_out.hold(_code(2) + "\n\n" + _code(1))
    assert not held_out.hold(_code(2))


@pytest.mark.usefixtures("_small")
def test_each_text_is_taken_once_and_what_is_held_out_is_never_learnt(tmp_path: Path) -> None:
    one, inside = _code(1), _code(2) + "\n\n" + _code(1)
    _project(tmp_path, "held", **_py(a=one))
    _project(tmp_path, "amend", **_py(copy=one, near=one + "\n\nX = 1\n", inside=inside, own=_code(3)))
    _project(tmp_path, "zoo", **_py(again=_code(3).replace("    ", "  ")))
    texts = _collect(tmp_path, held_out=("held",))
    assert [(file.project, file.path, split) for file, split in texts.files] == [
        ("held", "a.py", "valid"),
        ("amend", "own.py", "train"),
    ]
    assert texts.left_out["the same as another"] == 2
    assert texts.left_out["holds what is held out"] == 2


@pytest.mark.usefixtures("_small")
def test_a_licence_that_is_not_permissive_or_unknown_leaves_a_project_out(tmp_path: Path) -> None:
    _project(tmp_path, "free", **_py(a=_code(1)))
    _project(tmp_path, "copyleft", _GPL, **_py(a=_code(2), b=_code(3)))
    _project(tmp_path, "silent", "", **_py(a=_code(4)))
    texts = _collect(tmp_path, held_out=())
    reasons = {taken.project: taken.left_out for taken in texts.projects if taken.left_out}
    assert reasons == {"copyleft": "licence GPL-2.0", "silent": "licence unknown"}
    assert texts.left_out["project: licence unknown"] == 2
    everything = _collect(tmp_path, any_licence=True, held_out_share=0.0)
    assert {file.project for file, _ in everything.files} == {"free", "copyleft", "silent"}


@pytest.mark.usefixtures("_small")
def test_without_names_a_share_of_the_projects_is_held_out_by_their_names_alone(tmp_path: Path) -> None:
    for i in range(60):
        _project(tmp_path, f"p{i}", **_py(a=_code(i, 4)))

    def held_out(share: float) -> set[str]:
        return {file.project for file, split in _collect(tmp_path, held_out_share=share).files if split == "valid"}

    some, more = held_out(0.2), held_out(0.4)
    assert some < more
    assert 5 <= len(some) <= 20
    _project(tmp_path, "another", **_py(a=_code(99, 4)))
    assert held_out(0.2) - {"another"} == some


@pytest.mark.usefixtures("_small")
def test_of_a_single_project_files_are_held_out(tmp_path: Path) -> None:
    project = _project(tmp_path, "mine", **_py(**{f"m{i}": _code(i, 4) for i in range(50)}))
    texts = _collect(project)
    splits = {split: {file.path for file, each in texts.files if each == split} for split in ("train", "valid")}
    assert texts.held_out_by_file
    assert 1 <= len(splits["valid"]) <= 15
    assert not splits["train"] & splits["valid"]


@pytest.mark.usefixtures("_small")
def test_of_each_project_files_are_held_out_where_that_is_asked_for(tmp_path: Path) -> None:
    for name, start in (("one", 0), ("other", 60)):
        _project(tmp_path, name, **_py(**{f"m{i}": _code(i, 4) for i in range(start, start + 50)}))
    texts = _collect(tmp_path, held_out_by_file=True)
    held_out = [file.project for file, split in texts.files if split == "valid"]
    assert set(held_out) == {"one", "other"}
    assert len(held_out) <= 30
    assert [each for _, each in texts.files] == ["valid"] * len(held_out) + ["train"] * (100 - len(held_out))
    n_files = {(taken.project, taken.split): taken.n_files for taken in texts.projects}
    assert all(n_files[name, "valid"] == held_out.count(name) for name in ("one", "other"))
    assert sum(n_files.values()) == 100


@pytest.mark.usefixtures("_small")
def test_of_a_single_project_a_file_knows_those_that_it_imports_of_its_split(tmp_path: Path) -> None:
    """Files that are held out stood between the others, and hid what lay behind them."""
    pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")
    imported = {f"m{i:02}.py": f"m{(i + 25) % 50:02}" for i in range(50)}
    files = {
        path.removesuffix(".py"): f"import {name}\n\n\n{_code(int(name[1:]), 4)}" for path, name in imported.items()
    }
    texts = _collect(_project(tmp_path, "mine", **_py(**files)))
    write_corpus(texts, tmp_path / "corpus", 1024, None, lambda _: None)
    documents = CorpusFolder(tmp_path / "corpus").documents
    numbers = {document.path: i for i, document in enumerate(documents)}
    for document in documents:
        number = numbers[f"{imported[document.path]}.py"]
        assert (number in document.related) == (documents[number].split == document.split)


@pytest.mark.usefixtures("_small")
def test_a_project_to_hold_out_is_known_by_its_name_as_a_person_writes_it(tmp_path: Path) -> None:
    _project(tmp_path, "my-held", **_py(a=_code(1)))
    _project(tmp_path, "other", **_py(a=_code(2)))
    texts = _collect(tmp_path, held_out=("My_Held",))
    assert {(file.project, split) for file, split in texts.files} == {("my-held", "valid"), ("other", "train")}


def test_a_corpus_too_small_is_refused_with_the_numbers(tmp_path: Path) -> None:
    _project(tmp_path, "one", **_py(a=_code(1)), README__dot__md="x")
    _project(tmp_path, "two", **_py(a=_code(2)))
    with pytest.raises(
        DsassistError,
        match=r"there are [\d,]+ bytes in 1 files of 1 projects to train on, and 200,000 are the least; "
        r"name more folders \(files left out: no code \d",
    ):
        _collect(tmp_path, held_out=("one",))


def test_what_holds_out_by_file_is_not_sent_to_an_option_that_it_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`finetune` has no --held-out, and takes one folder."""
    monkeypatch.setitem(building.LEAST_BYTES, "train", 1)
    _project(tmp_path, "mine", **_py(a=_code(1)))
    with pytest.raises(
        DsassistError, match=r"to validate on, and 4,000 are the least; name a folder with more code \("
    ):
        _collect(tmp_path, held_out_by_file=True)


def test_a_project_to_hold_out_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    _project(tmp_path, "copyleft", _GPL, **_py(a=_code(1)))
    with pytest.raises(DsassistError, match=r"'copyleft' is to be held out, and .* \(licence GPL-2\.0\)"):
        _collect(tmp_path, held_out=("copyleft",))


def test_related_files_are_what_is_imported_then_what_lies_beside() -> None:
    def file(path: str, text: str) -> SourceText:
        return SourceText("p", path, "python", text)

    files = [
        file("p/a.py", "from p.sub.deep import f\nimport p.z\n"),
        file("p/b.py", ""),
        file("p/sub/deep.py", "from .. import b\n"),
        file("p/z.py", ""),
    ]
    related = related_files(files)
    assert related[0] == (2, 3, 1)
    assert related[1] == (3, 0)
    assert related[2] == (1,)


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name, seeds in (("one", range(12)), ("two", range(20, 32)), ("held", range(40, 43))):
        _project(tmp_path / "src", name, **_py(**{f"m{i}": _code(i, 60) for i in seeds}))
    return tmp_path / "src"


def test_the_command_writes_the_same_corpus_twice(
    tmp_path: Path, sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")
    for out in ("a", "b"):
        assert _run(str(sources), "--out", str(tmp_path / out), "--vocab-size", "1024", "--held-out", "held") == 0
    names = ("tokens.bin", "spans.bin", "documents.json", "tokenizer.json", "sources.json")
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    table = json.loads((tmp_path / "a" / "sources.json").read_text())
    assert {(each["project"], each["licence"], each["split"]) for each in table["projects"]} == {
        ("one", "MIT", "train"),
        ("two", "MIT", "train"),
        ("held", "MIT", "valid"),
    }
    printed = capsys.readouterr().out
    assert "held out: held" in printed
    assert "projects: 3; MIT 3" in printed


def test_the_vocabulary_of_a_model_is_used_on_request(
    tmp_path: Path, sources: Path, builtin_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")
    assert (
        _run(str(sources), "--out", str(tmp_path / "a"), "--vocab", str(builtin_model), "--held-out", "held", "--json")
        == 0
    )
    assert json.loads(capsys.readouterr().out)["n_vocab"] == 8192


def _with(*more: str) -> Callable[[Path, Path], tuple[str, ...]]:
    return lambda sources, out: (str(sources), "--out", str(out), *more)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda _, out: ("/no/such/folder", "--out", str(out)), r"/no/such/folder is no folder; name source trees"),
        (_with("--languages", "python,klingon"), r"--languages: 'klingon' is not allowed; allowed are python, "),
        (
            lambda sources, _: (str(sources), "--out", str(sources), "--held-out", "held"),
            r"something else than a corpus",
        ),
        (
            lambda sources, _: (str(sources), "--out", str(sources / "held" / "LICENSE"), "--held-out", "no-matter"),
            r"LICENSE holds something else than a corpus",  # before any source is read
        ),
        (_with("--vocab", "/no/such/model.gguf", "--held-out", "no-matter"), r"/no/such/model\.gguf"),
    ],
)
def test_bad_arguments_are_told_in_one_sentence(
    tmp_path: Path, sources: Path, arguments: Callable[[Path, Path], tuple[str, ...]], message: str
) -> None:
    pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")
    with pytest.raises(DsassistError, match=message):
        _run(*arguments(sources, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_older_corpus_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    """A folder with any file named documents.json was deleted as a whole."""
    folder = tmp_path / "out"
    folder.mkdir()
    check_target(folder)
    (folder / "documents.json").write_text('{"format": 1, "documents": []}')
    (folder / "tokens.bin").write_bytes(b"")
    check_target(folder)
    (folder / "notes.md").write_text("mine")
    with pytest.raises(DsassistError, match=r"something else than a corpus \(notes\.md\); name another"):
        check_target(folder)
    (folder / "notes.md").unlink()
    for theirs in ('{"documents": []}', "[]", "no JSON"):
        (folder / "documents.json").write_text(theirs)
        with pytest.raises(DsassistError, match=r"than a corpus \(documents\.json is none of ours\)"):
            check_target(folder)
    (folder / "documents.json").unlink()
    with pytest.raises(DsassistError, match=r"something else than a corpus"):
        check_target(folder)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders named `locked` may not be read: the tests may run as root, who may read all."""
    iterdir, scandir = Path.iterdir, os.scandir

    def refuse(path: object) -> None:
        if Path(str(path)).name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def locked_iterdir(path: Path) -> Iterator[Path]:
        refuse(path)
        return iterdir(path)

    def locked_scandir(path: str) -> Any:
        refuse(path)
        return scandir(path)

    monkeypatch.setattr(Path, "iterdir", locked_iterdir)
    monkeypatch.setattr(os, "scandir", locked_scandir)


@pytest.mark.usefixtures("_small", "locked")
def test_a_folder_that_may_not_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    _project(tmp_path, "one", **_py(a=_code(1), locked__slash__b=_code(2)))
    _project(tmp_path, "locked", **_py(a=_code(3)))
    (tmp_path / "more" / "node_modules").mkdir(parents=True)
    _project(tmp_path / "more" / "node_modules", "locked", package__dot__json="{}", **_py(a=_code(4)))
    texts = _collect(tmp_path)
    assert [(file.project, file.path) for file, _ in texts.files] == [("one", "a.py")]
    assert {(taken.place, taken.left_out) for taken in texts.projects if taken.left_out} == {
        (str(tmp_path / "locked"), "cannot be read"),
        (str(tmp_path / "more" / "node_modules" / "locked"), "cannot be read"),
    }
    assert texts.left_out["folder that cannot be read"] == 3


@pytest.mark.usefixtures("locked")
def test_a_folder_that_was_named_and_may_not_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir()
    with pytest.raises(DsassistError, match=r"locked cannot be read: permission denied; name another folder$"):
        _collect(tmp_path / "locked")
    with pytest.raises(DsassistError, match=r"locked cannot be read: permission denied; name another .* with --out"):
        check_target(tmp_path / "locked")


def test_a_missing_package_is_told_before_any_work(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DsassistError, match=r"needs the package tokenizers; .* `pip install 'dsassist\[train\]'`"):
        _run(str(sources), "--out", str(tmp_path / "out"))
