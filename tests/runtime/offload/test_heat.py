"""What a project used is known to the next engine, and a file that is none does no harm."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist_runtime.offload.cache import Key
from dsassist_runtime.offload.heat import Heat, HeatFiles
from dsassist_runtime.offload.reading import OpenedFile

LAYERS = {1: 4, 2: 4, 5: 6}
HALF_LIFE = 20_000

batches = st.lists(st.tuples(*(st.sets(st.integers(0, n - 1), min_size=1) for n in LAYERS.values())), max_size=30)


def count(heat: Heat, *batches: tuple[set[int], ...]) -> Heat:
    for batch in batches:
        for layer, experts in zip(LAYERS, batch, strict=True):
            heat.count(layer, experts)
    return heat


@pytest.fixture
def model() -> OpenedFile:
    return OpenedFile(Path("/models/model.gguf"), 7, 1_700_000_000_000_000_000)


@settings(deadline=None, max_examples=50)
@given(batches)
def test_an_expert_is_as_hot_as_the_batches_that_wanted_it(done: list[tuple[set[int], ...]]) -> None:
    heat = count(Heat(LAYERS), *done)
    assert heat.n_batches == len(done)
    for row, (layer, n) in enumerate(LAYERS.items()):
        wanted = [sum(expert in batch[row] for batch in done) for expert in range(n)]
        assert heat.uses()[layer] == pytest.approx(wanted, rel=0.01)
    hottest, found = heat.hottest(), heat.uses()
    uses = [found[key.layer][key.expert] for key in hottest]
    assert uses == sorted(uses, reverse=True)
    assert set(hottest) == {
        Key(layer, e) for batch in done for layer, own in zip(LAYERS, batch, strict=True) for e in own
    }


def test_what_was_long_ago_counts_less() -> None:
    heat = count(Heat({0: 2}))
    for _ in range(HALF_LIFE):
        heat.count(0, {0})
    early = heat.uses()[0][0]
    for _ in range(HALF_LIFE):
        heat.count(0, {1})
    assert heat.uses()[0][0] == pytest.approx(early / 2, rel=0.01)
    assert heat.hottest() == [Key(0, 1), Key(0, 0)]


def test_counting_goes_on_for_ever() -> None:
    heat = Heat({0: 2})
    heat._growth = 1e30  # so that a few batches are as good as ten million
    for i in range(20):
        heat.count(0, {i % 2})
    assert heat.uses()[0] == [pytest.approx(1e-30), 1.0]


def test_the_next_engine_goes_on_where_this_one_ended(tmp_path: Path, model: OpenedFile) -> None:
    files, heat = HeatFiles(tmp_path / "heat", model), count(Heat(LAYERS), ({0, 1}, {2}, {5}), ({1}, {2}, {4}))
    files.write("project", heat)
    other = Heat(LAYERS)
    assert HeatFiles(tmp_path / "heat", model).read("project", other)
    assert set(other.hottest()) == set(heat.hottest())
    assert other.hottest()[:2] == [Key(1, 1), Key(2, 2)]
    count(other, *[({0}, {3}, {5})] * 4)
    assert other.hottest()[0] == Key(1, 0)
    assert other.uses()[1] == pytest.approx([5, 2, 0, 0], rel=0.01)


def test_projects_are_apart_and_the_last_one_is_known(tmp_path: Path, model: OpenedFile) -> None:
    files = HeatFiles(tmp_path / "heat", model)
    for at, (project, expert) in enumerate([("one", 1), ("two", 2), ("", 3)]):
        files.write(project, count(Heat(LAYERS), ({expert}, {expert}, {expert})))
        os.utime(max((tmp_path / "heat").iterdir(), key=lambda path: path.stat().st_mtime), (at, at))
    for project, expert in (("one", 1), ("two", 2), ("", 3)):
        heat = Heat(LAYERS)
        assert files.read(project, heat)
        assert heat.hottest()[0] == Key(1, expert)
    heat = Heat(LAYERS)
    assert files.read_latest(heat)
    assert heat.hottest()[0] == Key(1, 3)
    assert not files.read("three", heat)
    assert heat.hottest()[0] == Key(1, 3), "what is not there changes nothing"


def test_files_do_not_tell_how_a_project_is_called(tmp_path: Path, model: OpenedFile) -> None:
    files = HeatFiles(tmp_path / "heat", model)
    files.write("customer-secret", count(Heat(LAYERS), ({0}, {0}, {0})))
    (path,) = (tmp_path / "heat").iterdir()
    assert "customer" not in path.name + path.read_text()


ROWS: dict[str, Any] = {"1": [1.0] * 4, "2": [1.0] * 4, "5": [1.0] * 6}


@pytest.mark.parametrize(
    "uses",
    [
        None,
        [],
        {},
        {**ROWS, "6": [1.0]},
        {"1": [1.0] * 4, "2": [1.0] * 4, "6": [1.0] * 6},
        {**ROWS, "2": [1.0] * 5},
        {**ROWS, "2": 4},
        {**ROWS, "2": [1.0, "2", 1.0, 1.0]},
        {**ROWS, "2": [1.0, True, 1.0, 1.0]},
        {**ROWS, "2": [1.0, -1.0, 1.0, 1.0]},
        {**ROWS, "2": [1.0, float("nan"), 1.0, 1.0]},
        {**ROWS, "2": [1.0, float("inf"), 1.0, 1.0]},
        {**ROWS, "2": [1.0, 10**400, 1.0, 1.0]},
    ],
)
def test_uses_that_are_none_are_ignored(uses: Any) -> None:
    heat = count(Heat(LAYERS), ({0}, {1}, {2}))
    before = heat.uses()
    assert not heat.take_over(uses)
    assert heat.uses() == before


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "\x00\xff", "[" * 100_000, '{"model": 1}', "folder", "cut"])
def test_damaged_file_is_ignored_and_written_anew(tmp_path: Path, model: OpenedFile, damage: str) -> None:
    files, heat = HeatFiles(tmp_path / "heat", model), count(Heat(LAYERS), ({0}, {1}, {2}))
    files.write("project", heat)
    (path,) = (tmp_path / "heat").iterdir()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_text(path.read_text()[:-20] if damage == "cut" else damage)
    found = Heat(LAYERS)
    assert not files.read("project", found)
    assert not files.read_latest(found)
    assert not found.hottest()
    files.write("project", heat)
    assert files.read("project", found) == (damage != "folder")
    assert len(list((tmp_path / "heat").iterdir())) == 1, "no part of a file is left behind"


def test_heat_of_another_model_is_none(tmp_path: Path, model: OpenedFile) -> None:
    heat = count(Heat(LAYERS), ({0}, {1}, {2}))
    HeatFiles(tmp_path / "heat", model).write("project", heat)
    (path,) = (tmp_path / "heat").iterdir()
    other = HeatFiles(tmp_path / "heat", model._replace(n_bytes=8))
    assert not other.read_latest(Heat(LAYERS))
    other.write("project", heat)
    (second,) = set((tmp_path / "heat").iterdir()) - {path}
    second.write_text(path.read_text())  # its name alone makes it nobody's
    assert not other.read("project", Heat(LAYERS))


def test_folder_that_cannot_be_written_is_no_error(tmp_path: Path, model: OpenedFile) -> None:
    (tmp_path / "heat").write_text("a file")
    files = HeatFiles(tmp_path / "heat", model)
    files.write("project", count(Heat(LAYERS), ({0}, {1}, {2})))
    assert not files.read("project", Heat(LAYERS))
    assert not files.read_latest(Heat(LAYERS))


def test_old_files_go(tmp_path: Path, model: OpenedFile) -> None:
    files, heat = HeatFiles(tmp_path / "heat", model), count(Heat(LAYERS), ({0}, {1}, {2}))
    for number in range(70):
        files.write(str(number), heat)
    assert len(list((tmp_path / "heat").iterdir())) == 64
    assert files.read("69", Heat(LAYERS))


def test_the_file_of_a_large_model_is_small(tmp_path: Path, model: OpenedFile) -> None:
    heat = Heat(dict.fromkeys(range(48), 128))
    for layer in range(48):
        for expert in range(128):
            for _ in range(1 + expert % 20):
                heat.count(layer, {expert})
    HeatFiles(tmp_path / "heat", model).write("project", heat)
    (path,) = (tmp_path / "heat").iterdir()
    assert path.stat().st_size < 100_000
    assert json.loads(path.read_text())["uses"]["47"][3] == pytest.approx(4, rel=0.2)
