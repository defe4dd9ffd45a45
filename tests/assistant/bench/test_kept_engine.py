"""What a model answered in a bench is asked once, and a text of which less was read goes on where that ended."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from dsassist.bench.kept_engine import kept_in
from dsassist_runtime.api import (
    ChatRequest,
    Edit,
    EditScore,
    InfillRequest,
    Sampling,
    ScoreRequest,
    TextPiece,
    TextStream,
)
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.models.store import ResolvedModel
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream

HOLE = InfillRequest(prefix="def f():\n", suffix="\n", max_tokens=9, sampling=Sampling(temperature=0.8, seed=2))
ASKED = ChatRequest(messages=[{"role": "user", "content": "Right?"}], max_tokens=1, logprobs=3)
EDIT = Edit(0, 1, "y")
SCORE = EditScore(EDIT, (-1.5,), (-0.25,), (-0.1, -3.0), (-0.2, -0.3))


class Scripted(ScriptedEngine):
    """Scores, fills in and answers messages with a text."""

    def __init__(self, *texts: str) -> None:
        super().__init__(texts, score=lambda _: [SCORE])
        self.asked: list[ChatRequest] = []

    def chat(self, request: ChatRequest) -> TextStream:
        self.asked.append(request)
        return ScriptedStream("Yes", 0.0, -0.5)

    @property
    def n_asked(self) -> int:
        return len(self.requests) + len(self.asked)


@pytest.fixture
def model(tmp_path: Path) -> ResolvedModel:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"a model")
    return ResolvedModel("m", path, "file", "m.gguf")


def all_answers(engine: Scripted, path: Path, model: ResolvedModel) -> tuple[object, ...]:
    kept = kept_in(path, engine, model)
    with kept.infill(HOLE) as text, kept.chat(ASKED) as answer:
        pieces = list(text.pieces()), list(answer.pieces())
        assert text.end is not None
        assert answer.end is not None
        reasons = text.end.finish_reason, answer.end.finish_reason
    return kept.score(ScoreRequest("", "x = 1\n", (EDIT,))), *pieces, *reasons


def test_another_run_asks_nothing_that_was_answered(tmp_path: Path, model: ResolvedModel) -> None:
    first, second = Scripted("    return 1"), Scripted("    return 2")
    told = all_answers(first, tmp_path / "kept.db", model)
    assert first.n_asked == 3
    assert all_answers(second, tmp_path / "kept.db", model) == told
    assert second.n_asked == 0
    assert (
        all_answers(Scripted("    return 2"), tmp_path / "kept.db", ResolvedModel("o", Path(__file__), "file", "o"))
        != told
    )


def test_each_seed_has_a_text_of_its_own(tmp_path: Path, model: ResolvedModel) -> None:
    kept = kept_in(tmp_path / "kept.db", Scripted("one", "two"), model)
    other = replace(HOLE, sampling=Sampling(temperature=0.8, seed=3))
    for _ in range(2):
        for request, expected in ((HOLE, "one"), (other, "two")):
            with kept.infill(request) as stream:
                assert "".join(stream) == expected


def test_a_text_that_was_broken_off_is_known_as_far_as_it_was_read(tmp_path: Path, model: ResolvedModel) -> None:
    def read(engine: Scripted, n_pieces: int | None) -> list[TextPiece]:
        with kept_in(tmp_path / "kept.db", engine, model).infill(HOLE) as stream:
            return list(islice(stream.pieces(), n_pieces))

    first, second, third = (Scripted("    return 1") for _ in range(3))
    begun = read(first, 2)
    assert read(second, 2) == begun
    assert second.n_asked == 0
    assert "".join(piece.text for piece in read(second, None)) == "    return 1"
    assert second.n_asked == 1
    assert "".join(piece.text for piece in read(third, None)) == "    return 1"
    assert third.n_asked == 0


def test_without_a_file_the_engine_is_itself(model: ResolvedModel) -> None:
    engine = Scripted("")
    assert kept_in(None, engine, model) is engine


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, model: ResolvedModel) -> None:
    with pytest.raises(DsassistError, match=r"--answers .*kept\.db cannot be written: no such file or directory"):
        kept_in(tmp_path / "no" / "kept.db", Scripted(""), model)


def test_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path, model: ResolvedModel) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("what I noticed")
    with pytest.raises(DsassistError, match=r"--answers .*notes\.md holds something else"):
        kept_in(notes, Scripted(""), model)
    assert notes.read_text() == "what I noticed"
