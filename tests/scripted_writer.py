"""A model whose texts and opinions are made up, for what is asked of it about alternatives that it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from dsassist_runtime.api import EditScore, InfillRequest, ModelFacts, ScoreRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream

__all__ = ["ScriptedWriter"]


class ScriptedWriter(ScriptedEngine):
    """Fills the hole behind each beginning of a line with a text of its own, and finds some texts likelier than others.

    `texts` are by what stands in the line before the hole, its blanks aside. `behind` says how many nats likelier a
    whole text makes what follows, `between` what the log-probability of lines is; both look for the words that they are
    given. A hole without a text gets one that fits nothing. The shorter a part, the more it surprises.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        *,
        behind: Mapping[str, float] | None = None,
        between: Mapping[str, float] | None = None,
        can_fill: bool = True,
    ) -> None:
        super().__init__(score=self._judged)
        self._fillings = texts
        self._behind = behind or {}
        self._between = between or {}
        self._can_fill = can_fill

    def facts(self) -> ModelFacts:
        facts = super().facts()
        return facts if self._can_fill else replace(facts, fim_orders=())

    def infill(self, request: InfillRequest) -> TextStream:
        self.requests.append(request)
        if request.sampling.grammar:
            text = json.loads(request.sampling.grammar.removeprefix("root ::= "))
            nats = sum(value for words, value in self._between.items() if words in text)
            stream = ScriptedStream(text, 0.0, nats / max(1, -(-len(text) // 4)))
        else:
            stream = ScriptedStream(self._fillings.get(request.begun.strip(), "#"), 0.0)
        self.streams.append(stream)
        return stream

    @property
    def holes(self) -> list[InfillRequest]:
        """What was to be filled."""
        return [each for each in self.requests if isinstance(each, InfillRequest) and not each.sampling.grammar]

    @property
    def weighed(self) -> list[str]:
        """The lines that were weighed with both sides in view."""
        return [
            json.loads(each.sampling.grammar.removeprefix("root ::= "))
            for each in self.requests
            if isinstance(each, InfillRequest) and each.sampling.grammar
        ]

    def _judged(self, request: ScoreRequest) -> list[EditScore]:
        found = []
        for edit in request.edits:
            result = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
            gain = sum(value for words, value in self._behind.items() if words in result)
            gain -= sum(value for words, value in self._behind.items() if words in request.text)
            if request.suffix_tokens:
                found.append(EditScore(edit, (-1.0,), (-1.0,), (-20.0,), (-20.0 + gain,)))
            else:
                written = (-9.0, *[-0.1] * ((edit.end - edit.start) // 4))
                found.append(EditScore(edit, written, (-1.0,), (), ()))
        return found
