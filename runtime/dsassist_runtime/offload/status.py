"""What a streamed model tells of itself, as a value of the API."""

from __future__ import annotations

from collections.abc import Iterable

from dsassist_runtime.api import ExpectedSpeed, StreamingStatus
from dsassist_runtime.offload.streamed_model import StreamedModel

__all__ = ["streaming_status"]


def streaming_status(
    streamed: StreamedModel, limit_bytes: int, expected: Iterable[ExpectedSpeed] = (), remarks: Iterable[str] = ()
) -> StreamingStatus:
    """All of it; `limit_bytes` is the plan's budget, `remarks` come behind the model's own, if they say something."""
    figures, work = streamed.figures(), streamed.work
    return StreamingStatus(
        budget_bytes=figures.cache.budget_bytes,
        budget_limit_bytes=limit_bytes,
        held_bytes=figures.cache.held_bytes,
        expert_bytes=streamed.expert_bytes,
        n_lanes=figures.n_lanes,
        text=work.done("text"),
        prompt=work.done("prompt"),
        other=work.done("other"),
        seen=work.seen(),
        expected=tuple(expected),
        read_bytes_total=figures.read.n_bytes,
        preloaded_bytes_total=figures.preloaded_bytes,
        lanes_busy_s_total=figures.read.busy_s,
        evictions_total=figures.cache.evictions,
        remarks=(*streamed.remarks(), *(remark for remark in remarks if remark)),
    )
