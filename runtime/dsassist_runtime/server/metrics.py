"""`GET /metrics`: the engine's and the server's figures for Prometheus, read at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dsassist_runtime.api import PRIORITIES
from dsassist_runtime.server.service import Service

__all__ = ["exposition", "routes"]

_COUNTERS = (
    ("prompt_tokens", "prompt_tokens_total", "Prompt tokens of all requests, cached ones included."),
    ("prompt_tokens_cached", "prompt_tokens_cached_total", "Prompt tokens that were in the cache."),
    ("completion_tokens", "completion_tokens_total", "Tokens decoded."),
    ("drafted_tokens", "drafted_tokens_total", "Tokens guessed by speculation."),
    ("accepted_tokens", "accepted_tokens_total", "Guessed tokens that were right."),
    ("batches", "batches_total", "Batches evaluated."),
    ("preemptions", "preemptions_total", "Requests put aside for a more urgent one."),
    ("adoptions", "adoptions_total", "Completions that went on for a newer keystroke."),
    ("evicted_tokens", "evicted_tokens_total", "Cached tokens given up for room."),
)

_GAUGES = (
    ("kv_tokens", "kv_tokens", "Tokens in the KV cache."),
    ("kv_tokens_limit", "kv_tokens_limit", "Tokens that the KV cache holds at most."),
    ("cached_tokens", "cached_tokens", "Tokens in the KV cache that no request uses."),
    ("cached_sequences", "cached_sequences", "Sequences in the prefix cache."),
    ("threads", "n_threads", "Threads that decode now."),
    ("threads_limit", "n_threads_limit", "Threads that may decode."),
    ("prefill_tokens_per_second", "prefill_tokens_per_s", "Recent speed of prompts."),
    ("decode_tokens_per_second", "decode_tokens_per_s", "Recent speed of decoding, over all sequences."),
    ("speculating", "speculating", "1 while speculation pays, else 0."),
    ("engine_resident_bytes", "rss_bytes", "Memory of the engine process."),
)

_EXPERT_GAUGES = (
    ("budget_bytes", "budget_bytes", "Memory that experts may take now."),
    ("budget_limit_bytes", "budget_limit_bytes", "Memory that they may take by the plan."),
    ("held_bytes", "held_bytes", "Memory that they take."),
    ("bytes", "expert_bytes", "All experts of the model."),
    ("lanes", "n_lanes", "Threads that read."),
)

_EXPERT_COUNTERS = (
    ("evictions", "evictions_total", "Experts that gave way."),
    ("disk_read_bytes", "read_bytes_total", "Bytes read from the model's files, by whomever."),
    ("preloaded_bytes", "preloaded_bytes_total", "Memory filled before anybody asked for it."),
    ("lanes_busy_seconds", "lanes_busy_s_total", "Time that the reading threads spent on it, summed up."),
)

_EXPERT_WORK = (
    ("batches", "batches", "Batches evaluated."),
    ("tokens", "tokens", "Tokens evaluated."),
    ("hits", "hits", "Experts that a batch wanted and found in memory."),
    ("misses", "misses", "Experts that a batch wanted and had to wait for."),
    ("read_bytes", "read_bytes", "Bytes read for a batch."),
    ("seconds", "elapsed_s", "Time that batches took."),
)

_EXPERT_SEEN = (
    ("tokens_per_second", "tokens_per_s", "Speed of text"),
    ("hit_rate", "hit_rate", "Share of wanted experts that were in memory, for text"),
)


def routes(service: Service) -> list[Route]:
    """The endpoint."""

    async def metrics(_request: Request) -> Response:
        text = exposition(service.health(), await service.engine_status())
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route("/metrics", metrics)]


def exposition(server: dict[str, Any], engine: dict[str, Any] | None) -> bytes:
    """Prometheus' text form; without an engine only the server's figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(server, engine))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, server: dict[str, Any], engine: dict[str, Any] | None) -> None:
        self._server = server
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """The families, each once."""
        server, engine = self._server, self._engine
        yield GaugeMetricFamily("dsassist_uptime_seconds", "Since the server's start.", server["uptime_s"])
        yield GaugeMetricFamily("dsassist_idle_seconds", "Since the last request.", server["idle_s"])
        yield GaugeMetricFamily("dsassist_http_requests", "Requests to the model in flight.", server["requests"])
        waiting = server["requests_waiting_for_a_model"]
        yield GaugeMetricFamily("dsassist_http_requests_waiting", "Requests that wait for another model.", waiting)
        yield GaugeMetricFamily("dsassist_engine_up", "1 while a model is loaded.", float(server["model"] is not None))
        if engine is None:
            return
        for name, key, text in _COUNTERS:
            yield CounterMetricFamily(f"dsassist_{name}", text, engine[key])
        for name, key, text in _GAUGES:
            yield GaugeMetricFamily(f"dsassist_{name}", text, float(engine[key]))
        yield GaugeMetricFamily(
            "dsassist_token_seconds", "Time of a recent batch of one token.", engine["token_ms"] / 1000
        )
        yield _requests(engine["requests"])
        finished = CounterMetricFamily("dsassist_requests_finished", "Requests by how they ended.", labels=["reason"])
        for reason, count in sorted(engine["finished_total"].items()):
            finished.add_metric([reason], count)
        yield finished
        if engine["streaming"] is not None:
            yield from _experts(engine["streaming"])


def _experts(streaming: dict[str, Any]) -> Iterator[Metric]:
    """Of a model whose experts wait on disk."""
    for name, key, text in _EXPERT_GAUGES:
        yield GaugeMetricFamily(f"dsassist_experts_{name}", text, streaming[key])
    for name, key, text in _EXPERT_COUNTERS:
        yield CounterMetricFamily(f"dsassist_experts_{name}", text, streaming[key])
    for name, key, text in _EXPERT_WORK:
        family = CounterMetricFamily(f"dsassist_experts_work_{name}", text, labels=["work"])
        for work in ("text", "prompt", "other"):
            family.add_metric([work], streaming[work][key])
        yield family
    for name, key, text in _EXPERT_SEEN:
        yield GaugeMetricFamily(f"dsassist_experts_seen_{name}", f"{text}, lately.", streaming["seen"][key])
        expected = GaugeMetricFamily(
            f"dsassist_experts_expected_{name}", f"{text}, at most, as planned.", labels=["routing"]
        )
        for each in streaming["expected"]:
            expected.add_metric([each["routing"]], each[key])
        yield expected
    seen = streaming["seen"]
    yield GaugeMetricFamily(
        "dsassist_experts_seen_bytes_per_token", "Bytes read for a token of text, lately.", seen["bytes_per_token"]
    )
    yield GaugeMetricFamily(
        "dsassist_experts_seen_lanes_busy", "Reading threads at work while text is written, lately.", seen["lanes_busy"]
    )


def _requests(requests: list[dict[str, Any]]) -> Metric:
    """Every class and state is there, so that a graph has zeros and not gaps."""
    counts = {(priority, state): 0 for priority in PRIORITIES for state in ("waiting", "running")}
    for request in requests:
        counts[request["priority"], "waiting" if request["state"] == "waiting" else "running"] += 1
    family = GaugeMetricFamily("dsassist_requests", "Requests in the engine.", labels=["priority", "state"])
    for labels, count in counts.items():
        family.add_metric(list(labels), count)
    return family
