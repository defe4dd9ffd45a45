"""The fake engine does what the real ones do."""

from __future__ import annotations

from dsassist_runtime.api import InfillRequest, TextPiece
from dsassist_runtime.testing import ScriptedEngine


def test_pieces_have_log_probabilities_where_they_are_asked_for() -> None:
    engine = ScriptedEngine(["return a"], logprob=-0.5)
    plain = list(engine.infill(InfillRequest("", "", begun="\n    ")).pieces())
    assert plain == [TextPiece("retu", 1), TextPiece("rn a", 2)]
    with_logprobs = list(engine.infill(InfillRequest("", "", logprobs=0)).pieces())
    assert [piece.text for piece in with_logprobs] == ["retu", "rn a"]
    assert [[(each.text, each.logprob) for each in piece.logprobs] for piece in with_logprobs] == [
        [("retu", -0.5)],
        [("rn a", -0.5)],
    ]


def test_text_and_pieces_are_the_same() -> None:
    engine = ScriptedEngine(["some text"])
    request = InfillRequest("", "")
    assert "".join(engine.infill(request)) == "".join(piece.text for piece in engine.infill(request).pieces())
