"""What Prometheus reads, and what the log says of a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from running_server import Served, serving, wait_for

SECRET = "the_words_of_somebodys_code"


def figures(served: Served) -> dict[str, float]:
    answer = served.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.name.startswith("dsassist_") for sample in samples)
    return {f"{sample.name}{sorted(sample.labels.values()) or ''}": sample.value for sample in samples}


def logged(served: Served, request_id: str) -> dict[str, Any]:
    """The line of a request, which is written when its answer is on its way already."""
    wait_for(lambda: any(line["id"] == request_id for line in served.log_lines()))
    (line,) = (line for line in served.log_lines() if line["id"] == request_id)
    return line


def test_metrics_count_what_was_asked(served: Served) -> None:
    before = figures(served)
    served.ask("POST", "/v1/completions", {"prompt": "import os", "max_tokens": 5, "ignore_eos": True})
    after = figures(served)
    assert after["dsassist_engine_up"] == 1
    assert after["dsassist_completion_tokens_total"] == before.get("dsassist_completion_tokens_total", 0) + 5
    assert after["dsassist_prompt_tokens_total"] > before.get("dsassist_prompt_tokens_total", 0)
    assert after["dsassist_requests['chat', 'running']"] == 0
    assert after["dsassist_kv_tokens"] <= after["dsassist_kv_tokens_limit"]


def test_a_server_whose_engine_is_not_there_has_metrics_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"no model")
    with serving(tmp_path / "bad.gguf") as served:
        found = figures(served)
        assert found["dsassist_engine_up"] == 0
        assert found["dsassist_uptime_seconds"] >= 0


def test_a_request_leaves_one_line_with_its_figures_and_none_of_its_words(served: Served) -> None:
    body = {"prompt": f"{SECRET} = 1\n", "max_tokens": 3, "ignore_eos": True, "priority": "review"}
    answer = served.ask("POST", "/v1/completions", body, headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    line = logged(served, "mine-1")
    assert line["path"] == "/v1/completions"
    assert (line["status"], line["priority"], line["finish_reason"]) == (200, "review", "length")
    assert (line["prompt_tokens"], line["completion_tokens"]) == (answer.json["usage"]["prompt_tokens"], 3)
    assert 0 <= line["ttft_ms"] <= line["total_ms"]
    assert SECRET not in served.log.read_text()


@pytest.mark.parametrize("theirs", ["", "a b", "x" * 65, "naïve"])
def test_an_id_that_is_none_is_replaced(served: Served, theirs: str) -> None:
    answer = served.ask("GET", "/v1/models", headers={"x-request-id": theirs})
    assert answer.headers["x-request-id"].startswith("req-")


def test_looking_at_the_server_leaves_no_line(served: Served) -> None:
    paths = {"/health", "/status", "/metrics", "/slots"}
    for path in paths:
        served.ask("GET", path)
    served.ask("GET", "/v1/models", headers={"x-request-id": "behind-them"})
    logged(served, "behind-them")
    assert not paths & {line["path"] for line in served.log_lines()}


def test_a_refused_request_says_in_the_log_how_it_ended(served: Served) -> None:
    served.ask("POST", "/v1/completions", {"prompt": "word " * 3000}, headers={"x-request-id": "too-long"})
    line = logged(served, "too-long")
    assert (line["status"], line["finish_reason"]) == (400, "RequestRefused")
