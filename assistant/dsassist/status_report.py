"""What the server is doing, in words: the lines that `dsassist serve --status` prints and `dsassist top` shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from dsassist.output import visible
from dsassist_runtime.api import PRIORITIES, EngineStatus, ModelFacts, SequenceStatus, StreamingStatus
from dsassist_runtime.client import server_status
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.catalogue import in_words
from dsassist_runtime.version import __version__
from dsassist_runtime.wire import from_wire

__all__ = ["ServerReport", "age", "read_report", "report_of", "status_lines"]


@dataclass(frozen=True)
class ServerReport:
    """A running server: its own figures, and those of its engine and model while they live."""

    pid: int
    engine_pid: int | None
    uptime_s: float
    idle_s: float
    listen: str | None  # HOST:PORT, where TCP is heard
    engine: EngineStatus | None
    model: ModelFacts | None
    failure: str = ""  # why there is no model, where the last engine said so


def read_report() -> ServerReport | None:
    """Ask the running server; None when there is none, `NotDone` when it is of another version."""
    found = server_status()
    return None if found is None else report_of(found)


def report_of(status: dict[str, Any]) -> ServerReport:
    """What `client.server_status` returned, checked."""
    server = status.get("server") or {}
    if server.get("version") != __version__:
        raise NotDone(
            f"the running server is of version {server.get('version')} and this program of {__version__}; "
            "`dsassist serve --stop` ends it, and the next request starts another"
        )
    engine, model = status.get("engine"), status.get("model")
    return ServerReport(
        server["pid"],
        server["engine_pid"],
        server["uptime_s"],
        server["idle_s"],
        server["listen"],
        None if engine is None else from_wire(EngineStatus, engine, "status"),
        None if model is None else from_wire(ModelFacts, model, "model"),
        server["failure"],
    )


def status_lines(report: ServerReport) -> list[tuple[str, str]]:
    """A label and a text each; what is not known has no line."""
    engine, model = report.engine, report.model
    lines = [("server", _server(report)), ("model", _model(model) if model else _no_model(report.failure))]
    if model is not None:
        lines.append(("file", visible(str(model.path))))
    if engine is None:
        return lines
    lines.append(("engine", _engine(report.engine_pid, engine)))
    lines.append(("requests", _requests(engine.requests)))
    lines.append(("cache", _cache(engine)))
    lines.append(("speed", _speed(engine)))
    lines.append(("drafts", _drafts(engine)))
    lines.append(("so far", _totals(engine)))
    if engine.streaming is not None:
        lines += _streaming(engine.streaming)
    return lines


def age(seconds: float) -> str:
    """A span of time as it is told: "0.4 s", "12 s", "5 min 3 s", "2 h 5 min", "3 d 4 h"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _server(report: ServerReport) -> str:
    address = f", on {report.listen}" if report.listen else ""
    idle = f", idle for {age(report.idle_s)}" if report.idle_s else ""
    return f"dsassist {__version__}, process {report.pid}{address}, up {age(report.uptime_s)}{idle}"


def _model(model: ModelFacts) -> str:
    size = f", {in_words(model.size_bytes)}" if model.size_bytes else ""
    lora = f", with the adapter {model.lora_path}" if model.lora_path else ""
    return visible(f"{model.name} ({model.architecture}{size}){lora}, context {model.n_ctx:,} tokens")


def _no_model(failure: str) -> str:
    return f"none in memory: {visible(failure)}" if failure else "none in memory"


def _engine(pid: int | None, engine: EngineStatus) -> str:
    process = "" if pid is None else f"process {pid}, "
    return f"{process}memory {in_words(engine.rss_bytes)}, threads {engine.n_threads} of {engine.n_threads_limit}"


def _requests(requests: tuple[SequenceStatus, ...]) -> str:
    """How many run and wait, and of which class."""
    waiting = Counter(request.priority for request in requests if request.state == "waiting")
    running = Counter(request.priority for request in requests if request.state != "waiting")
    told = [f"{running.total()} running{_classes(running)}", f"{waiting.total()} waiting{_classes(waiting)}"]
    return ", ".join(told)


def _classes(counted: Counter[Any]) -> str:
    found = [f"{counted[priority]} {priority}" for priority in PRIORITIES if counted[priority]]
    return f" ({', '.join(found)})" if found else ""


def _cache(engine: EngineStatus) -> str:
    kept = ""
    if engine.cached_tokens:
        prefixes = "prefix" if engine.cached_sequences == 1 else "prefixes"
        kept = f", {engine.cached_tokens:,} kept in {engine.cached_sequences} {prefixes}"
    return f"{engine.kv_tokens:,} of {engine.kv_tokens_limit:,} tokens{kept}"


def _speed(engine: EngineStatus) -> str:
    if not engine.token_ms:
        return "nothing measured yet"
    return (
        f"prompt {engine.prefill_tokens_per_s:,.0f} tokens/s, text {engine.decode_tokens_per_s:,.1f} tokens/s, "
        f"{engine.token_ms:.1f} ms a token"
    )


def _drafts(engine: EngineStatus) -> str:
    state = "speculation is on" if engine.speculating else "speculation is off"
    drafted = engine.drafted_tokens_total
    if not drafted:
        return state
    return f"{state}, {engine.accepted_tokens_total / drafted:.0%} of {drafted:,} tokens accepted"


def _totals(engine: EngineStatus) -> str:
    cached = engine.prompt_tokens_cached_total / max(1, engine.prompt_tokens_total)
    told = [
        f"{engine.prompt_tokens_total:,} tokens read ({cached:.0%} cached)",
        f"{engine.completion_tokens_total:,} written",
    ]
    if engine.preemptions_total:
        told.append(f"{engine.preemptions_total:,} preempted")
    if engine.adoptions_total:
        told.append(f"{engine.adoptions_total:,} adopted")
    return ", ".join(told)


def _streaming(streaming: StreamingStatus) -> list[tuple[str, str]]:
    """Of a model whose experts wait on disk: what is held, how it is read, and how that compares with the plan."""
    lines = [("experts", _held(streaming)), ("disk", _read(streaming)), ("plan", _expected_and_seen(streaming))]
    return lines + [("note", visible(remark)) for remark in streaming.remarks]


def _held(streaming: StreamingStatus) -> str:
    budget = in_words(streaming.budget_bytes)
    if streaming.budget_bytes < streaming.budget_limit_bytes:
        budget += f" (by the plan {in_words(streaming.budget_limit_bytes)})"
    told = [
        f"{in_words(streaming.held_bytes)} in memory of {budget}, all are {in_words(streaming.expert_bytes)}",
        f"{streaming.evictions_total:,} evicted",
    ]
    if streaming.preloaded_bytes_total:
        told.append(f"{in_words(streaming.preloaded_bytes_total)} preloaded")
    return ", ".join(told)


def _read(streaming: StreamingStatus) -> str:
    told = [f"{in_words(streaming.read_bytes_total)} read"]
    if streaming.text.tokens:
        seen = streaming.seen
        told.append(f"lately {in_words(round(seen.bytes_per_token))} a token of text")
        told.append(f"with {seen.lanes_busy:.1f} of {streaming.n_lanes} lanes busy")
    return ", ".join(told)


def _expected_and_seen(streaming: StreamingStatus) -> str:
    """Text alone: a prompt asks for nearly all experts, whatever the cache has."""
    expected = "nothing expected"
    if streaming.expected:
        speeds = _span([f"{each.tokens_per_s:.3g}" for each in streaming.expected])
        hits = _span([f"{each.hit_rate:.0%}" for each in streaming.expected])
        expected = f"expected at most {speeds} tokens/s with {hits} hits"
    if not streaming.text.tokens:
        return f"{expected}, nothing seen yet"
    return f"{expected}, seen lately {streaming.seen.tokens_per_s:.3g} with {streaming.seen.hit_rate:.0%}"


def _span(told: list[str]) -> str:
    return " to ".join(dict.fromkeys((told[0], told[-1])))
