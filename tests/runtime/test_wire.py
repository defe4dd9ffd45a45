from __future__ import annotations

from pathlib import Path

import pytest

from dsassist_runtime.api import (
    Edit,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    LayerRouting,
    Sampling,
    ScoreRequest,
)
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.wire import from_wire, to_wire

VALUES = [
    EngineSettings(Path("/m/x.gguf"), n_ctx=512),
    InfillRequest("a", "b", sampling=Sampling(temperature=0.0, seed=7), stop=("\n", "x")),
    InfillRequest("", "é\u2028"),
    ScoreRequest("c", "t", (Edit(0, 1, "u"), Edit(1, 1, ""))),
    GenerationEnd("stop", 1, 2, 3, 4.0, 5.0, (LayerRouting(1, (0, 2)),)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_the_wire(value: object) -> None:
    assert from_wire(type(value), to_wire(value)) == value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "request must be an object, not list"),
        (None, "request must be an object, not NoneType"),
        ({"prefix": "a"}, "request lacks the field 'suffix'"),
        ({"prefix": "a", "suffix": "b", "top": 1}, "request has the unknown field 'top'"),
        ({"prefix": 1, "suffix": "b"}, "request.prefix must be str, not int"),
        ({"prefix": "a", "suffix": "b", "max_tokens": True}, "request.max_tokens must be int, not bool"),
        ({"prefix": "a", "suffix": "b", "max_tokens": 1.5}, "request.max_tokens must be int, not float"),
        ({"prefix": "a", "suffix": "b", "stop": "x"}, "request.stop must be a list, not str"),
        ({"prefix": "a", "suffix": "b", "stop": [1]}, "request.stop[0] must be str, not int"),
        ({"prefix": "a", "suffix": "b", "sampling": {"heat": 1}}, "request.sampling has the unknown field 'heat'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(body: object, message: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        from_wire(InfillRequest, body)
    assert str(caught.value) == message


def test_a_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(RequestRefused, match="finish_reason is 'done'; allowed are 'stop', 'length', 'cancelled'"):
        from_wire(GenerationEnd, {**to_wire(VALUES[-1]), "finish_reason": "done"})
