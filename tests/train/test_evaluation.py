"""Figures of a model on what is held out of a corpus."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest

from dsassist_runtime.api import ContinuationScore, ContinuationsRequest, EditScore, ScoreRequest
from dsassist_runtime.errors import DsassistError, RequestRefused
from dsassist_runtime.testing import ScriptedEngine
from dsassist_train.evaluation import command
from dsassist_train.evaluation.bits import bits_per_byte
from dsassist_train.evaluation.infill import draw_holes, hole_request, infill_figures
from dsassist_train.evaluation.preference import preference_figures
from dsassist_train.packing.folder import CorpusFolder, Document

HeldOut = list[tuple[Document, str]]


class _ByteEngine(ScriptedEngine):
    """Each byte is a token, and as likely as any other one; at most `limit` of them at once."""

    def __init__(self, limit: int = 10_000) -> None:
        super().__init__()
        self.limit = limit
        self.asked: list[str] = []

    def continuations(
        self, request: ContinuationsRequest, timeout_s: float | None = None
    ) -> tuple[ContinuationScore, ...]:
        (text,) = request.continuations
        data = text.encode()
        if len(data) > self.limit:
            raise RequestRefused("too long")
        self.asked.append(text)
        return (ContinuationScore(tuple(data), (-math.log(256),) * len(data)),)


@pytest.fixture(scope="module")
def held_out(small_corpus: Path) -> HeldOut:
    return list(CorpusFolder(small_corpus).texts("valid"))


def test_a_model_that_knows_nothing_needs_eight_bits_a_byte(held_out: HeldOut) -> None:
    engine = _ByteEngine()
    (figure,) = bits_per_byte(engine, held_out, 12, 1)
    assert figure.value == pytest.approx(8.0)
    assert len(engine.asked) == 12
    assert all(any(window in text for _, text in held_out) for window in engine.asked)
    assert max(len(window.encode()) for window in engine.asked) <= 1800


def test_of_a_text_that_is_too_long_for_a_model_a_part_is_scored(held_out: HeldOut) -> None:
    engine = _ByteEngine(limit=500)
    (figure,) = bits_per_byte(engine, held_out, 5, 1)
    assert figure.value == pytest.approx(8.0)
    assert len(engine.asked) == 5


def test_windows_and_figures_are_of_each_project_alike(held_out: HeldOut) -> None:
    two = [(document._replace(project=f"p{i % 2}"), text) for i, (document, text) in enumerate(held_out)]
    figures = bits_per_byte(_ByteEngine(), two, 10, 1)
    assert [figure.name for figure in figures] == ["bits per byte", "bits per byte, p0", "bits per byte, p1"]


def test_holes_put_back_give_the_file_and_are_the_same_for_the_same_seed(held_out: HeldOut) -> None:
    holes = draw_holes(held_out, 20, 1)
    assert len(holes) == 20
    assert holes == draw_holes(held_out, 20, 1)
    assert holes != draw_holes(held_out, 20, 2)
    assert all(any(hole.whole == text for _, text in held_out) for hole in holes)
    assert sum(hole.kind == "line" for hole in holes) == 10
    assert all("\n" not in hole.expected for hole in holes)


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_the_line_that_was_there_counts_as_exact_and_another_does_not(held_out: HeldOut, order: str) -> None:
    holes = draw_holes(held_out, 6, 1)
    right = ScriptedEngine([f"{hole.expected}\nmore" for hole in holes])
    wrong = ScriptedEngine([hole.expected + "x" for hole in holes])
    found = {figure.name: figure.value for figure in infill_figures(right, holes, order)}  # type: ignore[arg-type]
    missed = {figure.name: figure.value for figure in infill_figures(wrong, holes, order)}  # type: ignore[arg-type]
    assert found[f"line exact, {order}"] == found[f"edit similarity, {order}"] == 100.0
    assert missed[f"line exact, {order}"] == 0.0
    assert 50.0 < missed[f"edit similarity, {order}"] < 100.0
    assert {request.order for request in right.requests} == {order}  # type: ignore[union-attr]


def test_a_hole_is_asked_as_the_product_asks_it(held_out: HeldOut) -> None:
    for hole in draw_holes(held_out, 8, 1):
        request = hole_request(hole, "psm")
        before = hole.text[: hole.offset]
        assert before.endswith(request.prefix + request.begun)
        assert request.begun.startswith("\n")
        assert hole.place.line_before == request.begun.removeprefix("\n")
        assert request.sampling.temperature == 0.0


def test_the_original_is_preferred_by_a_model_that_knows_it(held_out: HeldOut) -> None:
    def scores(original: float, alternative: float) -> ScriptedEngine:
        def score(request: ScoreRequest) -> list[EditScore]:
            return [EditScore(edit, (original,), (alternative,), (), ()) for edit in request.edits]

        return ScriptedEngine(score=score)

    # What is asked about is the text with the bug, and the edit takes the bug out.
    knowing, n_functions = preference_figures(scores(-5.0, -1.0), held_out, 8, 1)
    blind, _ = preference_figures(scores(-1.0, -5.0), held_out, 8, 1)
    assert n_functions == 8
    assert (knowing[0].value, blind[0].value) == (100.0, 0.0)


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


@pytest.mark.slow
def test_the_command_measures_a_mixture_of_experts_from_end_to_end(
    small_corpus: Path, builtin_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = ("--windows", "3", "--holes", "4", "--functions", "3", "--json")
    assert _run(str(builtin_model), "--corpus", str(small_corpus), *counts) == 0
    report = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    assert 0.5 < figures["bits per byte"] < 8.0
    for name in ("line exact, psm", "line exact, spm", "original preferred to the bug"):
        assert 0.0 <= figures[name] <= 100.0
    assert 0.5 < figures["experts, evenness of the choices"] <= 1.0
    assert report["settings"]["held out"] == "hooks"


def test_parts_that_are_not_asked_for_are_left_out_and_said_so_where_a_model_lacks_them(
    small_corpus: Path,
) -> None:
    from dsassist_train.evaluation.measuring import Evaluation, measure

    engine = _ByteEngine()
    told: list[str] = []
    report = measure(Evaluation(2, 2, 0, 1), CorpusFolder(small_corpus), engine, {}, told.append)
    assert told == ["bits per byte", "lines to fill in, psm", "lines to fill in, spm"]
    assert report.left_out == ["use of experts: the model has none"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("builtin", "--corpus", "/no/such/corpus"), r"/no/such/corpus is no corpus .*dsassist train corpus DIR"),
        (("/no/such/model.gguf", "--corpus", "CORPUS"), r"/no/such/model\.gguf"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_sentence(
    small_corpus: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DsassistError, match=message):
        _run(*(argument.replace("CORPUS", str(small_corpus)) for argument in arguments))


def test_a_corpus_of_which_nothing_is_held_out_is_refused(small_corpus: Path, tmp_path: Path) -> None:
    from dsassist_train.evaluation.measuring import Evaluation, measure

    for file in small_corpus.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    index = json.loads((tmp_path / "documents.json").read_text())
    split = Document._fields.index("split")
    for entry in index["documents"]:
        entry[split] = "train"
    (tmp_path / "documents.json").write_text(json.dumps(index))
    with pytest.raises(DsassistError, match=r"nothing is held out of the corpus .* --held-out"):
        measure(Evaluation(), CorpusFolder(tmp_path), _ByteEngine(), {}, lambda _: None)


def test_a_count_is_a_whole_number(small_corpus: Path) -> None:
    with pytest.raises(SystemExit):
        _run("builtin", "--corpus", str(small_corpus), "--holes", "some")
