"""What Prometheus reads, and what the log says of a request."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dsassist_runtime.api import EngineStatus, ExpectedSpeed, SeenSpeed, StreamedWork, StreamingStatus
from dsassist_runtime.server.metrics import exposition
from dsassist_runtime.wire import to_wire
from running_server import Served, serving, wait_for

SECRET = "the_words_of_somebodys_code"


def figures(served: Served) -> dict[str, float]:
    answer = served.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples_of(answer.body.decode())


def samples_of(text: str) -> dict[str, float]:
    families = list(text_string_to_metric_families(text))
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


def test_streamed_experts_have_figures_and_a_model_in_memory_has_none(served: Served) -> None:
    served.ask("POST", "/v1/completions", {"prompt": "import os", "max_tokens": 1})
    assert not [name for name in figures(served) if "experts" in name]
    status = served.ask("GET", "/status").json
    streaming = StreamingStatus(
        budget_bytes=100,
        budget_limit_bytes=200,
        held_bytes=90,
        expert_bytes=1000,
        n_lanes=4,
        text=StreamedWork(3, 5, 70, 11, 1300, 1.7),
        prompt=StreamedWork(2, 64, 23, 29, 3100, 0.5),
        other=StreamedWork(),
        seen=SeenSpeed(2.5, 0.75, 260.0, 1.5),
        expected=(ExpectedSpeed("even", 2.0, 0.5), ExpectedSpeed("local", 3.0, 0.9)),
        read_bytes_total=5000,
        preloaded_bytes_total=600,
        lanes_busy_s_total=4.5,
        evictions_total=8,
    )
    engine = status["engine"] | {"streaming": to_wire(streaming)}
    assert set(engine) == {field.name for field in fields(EngineStatus)}
    found = samples_of(exposition(status["server"], engine).decode())
    assert {name.removeprefix("dsassist_experts_"): value for name, value in found.items() if "experts" in name} == {
        "budget_bytes": 100,
        "budget_limit_bytes": 200,
        "held_bytes": 90,
        "bytes": 1000,
        "lanes": 4,
        "evictions_total": 8,
        "disk_read_bytes_total": 5000,
        "preloaded_bytes_total": 600,
        "lanes_busy_seconds_total": 4.5,
        "work_batches_total['text']": 3,
        "work_batches_total['prompt']": 2,
        "work_batches_total['other']": 0,
        "work_tokens_total['text']": 5,
        "work_tokens_total['prompt']": 64,
        "work_tokens_total['other']": 0,
        "work_hits_total['text']": 70,
        "work_hits_total['prompt']": 23,
        "work_hits_total['other']": 0,
        "work_misses_total['text']": 11,
        "work_misses_total['prompt']": 29,
        "work_misses_total['other']": 0,
        "work_read_bytes_total['text']": 1300,
        "work_read_bytes_total['prompt']": 3100,
        "work_read_bytes_total['other']": 0,
        "work_seconds_total['text']": 1.7,
        "work_seconds_total['prompt']": 0.5,
        "work_seconds_total['other']": 0,
        "seen_tokens_per_second": 2.5,
        "seen_hit_rate": 0.75,
        "seen_bytes_per_token": 260,
        "seen_lanes_busy": 1.5,
        "expected_tokens_per_second['even']": 2,
        "expected_tokens_per_second['local']": 3,
        "expected_hit_rate['even']": 0.5,
        "expected_hit_rate['local']": 0.9,
    }


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
