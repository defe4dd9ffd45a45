"""Each kind of error has its status, and says whether to ask again."""

from __future__ import annotations

import json

import pytest

from dsassist_runtime.chat_answer import refusal
from dsassist_runtime.errors import (
    DeadlineExceeded,
    DsassistError,
    EngineDied,
    ModelMissing,
    ModelUnsupported,
    Overloaded,
    RequestRefused,
    ServerUnavailable,
)
from dsassist_runtime.server.error_answer import BadField, ModelNotServed, response_for


@pytest.mark.parametrize(
    ("error", "status", "kind", "again"),
    [
        (RequestRefused("too long"), 400, "invalid_request_error", False),
        (ModelUnsupported("no template"), 400, "invalid_request_error", False),
        (ModelNotServed("no model"), 404, "invalid_request_error", False),
        (ModelMissing("pull it"), 404, "invalid_request_error", False),
        (Overloaded("full"), 429, "rate_limit_error", True),
        (EngineDied("killed"), 500, "server_error", False),
        (ServerUnavailable("leaving"), 503, "server_error", True),
        (DeadlineExceeded("late"), 504, "server_error", False),
    ],
)
def test_an_error_has_its_status(error: DsassistError, status: int, kind: str, *, again: bool) -> None:
    response = response_for(error)
    body = json.loads(bytes(response.body))["error"]
    assert (response.status_code, body["type"], body["message"]) == (status, kind, str(error))
    assert ("retry-after" in response.headers) == again


def test_a_bad_field_is_named() -> None:
    body = json.loads(bytes(response_for(BadField("n", "is 0; it must be at least 1")).body))["error"]
    assert (body["param"], body["message"]) == ("n", "n is 0; it must be at least 1")


@pytest.mark.parametrize(
    "error", [ModelUnsupported("x"), EngineDied("x"), ModelMissing("x"), DeadlineExceeded("x"), BadField("n", "x")]
)
def test_our_own_client_reads_the_errors_kind_back(error: DsassistError) -> None:
    response = response_for(error)
    found = refusal(response.status_code, {}, bytes(response.body), "the dsassist server", is_local=True)
    assert isinstance(error, type(found))
    assert type(found) is (RequestRefused if isinstance(error, BadField) else type(error))


def test_a_model_that_is_not_there_has_openais_code() -> None:
    body = json.loads(bytes(response_for(ModelNotServed("no model")).body))["error"]
    assert (body["param"], body["code"]) == ("model", "model_not_found")
