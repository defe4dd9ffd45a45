"""An engine whose experts wait on disk: whose work a batch is, when it guesses, and what happens when reading fails."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace as replaced
from pathlib import Path

import pytest

from chat_model import write_chat_model
from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationsRequest,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    Sampling,
    TextPiece,
)
from dsassist_runtime.engine.job import Event
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.engine.speculation import Speculation
from dsassist_runtime.errors import ModelError, ModelInvalid, ModelMissing
from dsassist_runtime.llama.context import Context
from dsassist_runtime.offload.streaming import StreamedContext
from streamed_engine import streamed_engine, streaming

GREEDY = Sampling(temperature=0.0)
PREFIX = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        "
TEXT = InfillRequest(PREFIX, "\n\n\nprint(names('.'))\n", max_tokens=24, sampling=GREEDY, speculate=False)
CODE = "".join(f"def area_{i}(width, height):\n    return width * height + {i}\n\n\n" for i in range(16))


@pytest.fixture(scope="module")
def engine(builtin_model: Path) -> Iterator[LocalEngine]:
    with streamed_engine(builtin_model, n_threads=1) as engine:
        yield engine


def answers(engine: LocalEngine, request: Request) -> list[object]:
    """The texts, however they came in pieces, or the scores."""
    texts: dict[int, str] = {}
    scores: list[object] = []
    for event in engine.events(request):
        if isinstance(event, TextPiece):
            texts[event.index] = texts.get(event.index, "") + event.text
        elif isinstance(event, tuple):
            scores += event
    return [texts[index] for index in sorted(texts)] + scores


@pytest.mark.parametrize(
    "request_",
    [
        TEXT,
        CompletionRequest(prompt="def add(a, b):\n", max_tokens=24, sampling=GREEDY, n=2),
        InfillRequest(PREFIX, "\n\nx = 1\n", max_tokens=12, order="psm", gap_tokens=16, sampling=GREEDY),
    ],
    ids=["infill", "several texts", "gap"],
)
def test_text_is_the_resident_models(engine: LocalEngine, builtin_model: Path, request_: Request) -> None:
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1))) as resident:
        expected = answers(resident, request_)
    assert expected
    for _ in range(2):  # with whatever is in the caches
        assert answers(engine, request_) == expected
        engine.forget_everything()


def test_chat_is_the_resident_models(builtin_model: Path, tmp_path: Path) -> None:
    path = write_chat_model(builtin_model, tmp_path / "chat.gguf")
    request = ChatRequest(messages=[{"role": "user", "content": "What is a list?"}], max_tokens=12, sampling=GREEDY)
    with closing(LocalEngine(EngineSettings(path, n_threads=1))) as resident:
        expected = answers(resident, request)
    with streamed_engine(path, n_threads=1) as engine:
        assert answers(engine, request) == expected != [""]


def test_gap_is_filled_without_evaluating_the_suffix_again(engine: LocalEngine) -> None:
    ends = []
    for typed in ("", "na", "name = "):
        request = InfillRequest(
            PREFIX + typed, CODE, max_tokens=4, order="psm", gap_tokens=32, sampling=GREEDY, document="a.py"
        )
        ends.append(list(engine.events(request))[-1])
    assert all(isinstance(end, GenerationEnd) for end in ends)
    fresh = [end.prompt_tokens - end.cached_tokens for end in ends if isinstance(end, GenerationEnd)]
    assert fresh[0] > 200
    assert max(fresh[1:]) < 12


def test_prefix_that_was_saved_is_evaluated_no_more(builtin_model: Path, tmp_path: Path) -> None:
    request = CompletionRequest(prompt=CODE, max_tokens=8, sampling=GREEDY, speculate=False)
    texts, ends = [], []
    for _ in range(2):
        with streamed_engine(builtin_model, n_threads=1) as engine:
            engine.keep_prefixes_in(tmp_path / "prefixes")
            *events, end = engine.events(request)
            texts.append("".join(event.text for event in events if isinstance(event, TextPiece)))
            assert isinstance(end, GenerationEnd)
            ends.append(end)
            assert engine.save()["sequences"] == 1
    assert texts[0] == texts[1] != ""
    assert [end.cached_tokens for end in ends] == [0, ends[0].prompt_tokens - 1]


def test_draft_model_is_resident_and_changes_no_text(builtin_model: Path) -> None:
    request = CompletionRequest(prompt=CODE, max_tokens=100, sampling=GREEDY, ignore_eos=True)
    with streamed_engine(builtin_model, n_threads=1) as engine:
        expected = answers(engine, replaced(request, speculate=False))
    with streamed_engine(builtin_model, n_threads=1, draft_model_path=builtin_model) as engine:
        assert engine._draft is not None
        assert type(engine._draft._context) is Context
        *events, end = engine.events(request)
        assert ["".join(event.text for event in events if isinstance(event, TextPiece))] == expected
        assert isinstance(end, GenerationEnd)
        assert 0 < end.drafted_tokens <= 15, "a guess or two in a hundred tokens, to see whether it pays"


def test_routing_is_traced_with_the_same_counts(engine: LocalEngine, builtin_model: Path) -> None:
    """In a context that knows nothing of the stream: it computes with the mapped file."""
    request = InfillRequest(PREFIX, "\n", max_tokens=6, sampling=GREEDY, trace_experts=True)
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1))) as resident:
        *_, expected = resident.events(request)
    *_, found = engine.events(request)
    assert isinstance(expected, GenerationEnd)
    assert isinstance(found, GenerationEnd)
    assert found.routing == expected.routing != ()


def test_work_is_told_apart_and_no_batch_mixes_it(builtin_model: Path) -> None:
    with streamed_engine(builtin_model, n_threads=1) as engine:
        events: list[Event] = []
        engine.submit(1, InfillRequest(CODE, "\n", max_tokens=8, sampling=GREEDY, speculate=False), events.append)
        engine.submit(2, ContinuationsRequest(CODE, ("x = 1\n", "y = 2\n")), events.append)
        engine.submit(
            3, CompletionRequest(prompt=CODE, max_tokens=8, priority="review", sampling=GREEDY), events.append
        )
        kinds = set()
        while batch := _step(engine):
            kinds.add(batch)
        assert {priority for priority, _n in kinds} == {"interactive", "review"}
        status = streaming(engine)
        assert status.text.tokens == status.text.batches > 0
        assert status.prompt.tokens > 300
        # 600 tokens in two batches and not in five: what they cost is their number.
        assert max(n for priority, n in kinds if priority == "interactive") == 256
        assert max(n for priority, n in kinds if priority == "review") == 128
        assert status.other.tokens > 600
        assert sum(isinstance(event, (GenerationEnd, tuple)) for event in events) == 3


def _step(engine: LocalEngine) -> tuple[str, int] | None:
    """The class and size of the batch that was evaluated."""
    batch = engine._loop.step()
    if batch is None:
        return None
    (priority,) = {job.ticket.priority for job, _tokens in batch.parts}
    return priority, len(batch)


def test_experts_of_a_text_are_protected_and_those_of_a_prompt_or_a_review_are_not(builtin_model: Path) -> None:
    with streamed_engine(builtin_model, n_threads=1) as engine:
        assert isinstance(engine._context, StreamedContext)
        assert engine._streamed is not None

        def protected_bytes() -> int:
            assert engine._streamed is not None
            return engine._streamed.figures().cache.protected_bytes

        list(engine.events(CompletionRequest(prompt=CODE, max_tokens=8, priority="review", sampling=GREEDY)))
        assert protected_bytes() == 0
        list(engine.events(InfillRequest(CODE, "\n", max_tokens=0, sampling=GREEDY)))
        assert protected_bytes() < 0.5 * streaming(engine).held_bytes, "the last tokens of a prompt may be few"
        list(engine.events(TEXT))
        assert protected_bytes() > 0


class Device:
    """Reads, until it is told to fail."""

    broken = False

    def __call__(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        return os.preadv(fd, list(buffers), offset)


@pytest.mark.parametrize("request_", [TEXT, ContinuationsRequest(CODE, ("x = 1\n",))], ids=["text", "scores"])
def test_read_error_ends_the_request_with_one_error_and_the_next_one_is_right(
    builtin_model: Path, request_: Request
) -> None:
    with streamed_engine(builtin_model, share=0.4, n_threads=1) as engine:
        device = Device()
        assert engine._streamed is not None
        engine._streamed._lanes._preadv = device
        expected = answers(engine, request_)
        engine.forget_everything()
        device.broken = True
        events: list[Event] = []
        engine.submit(1, request_, events.append)
        while engine.step():
            pass
        errors = [event for event in events if isinstance(event, Exception)]
        assert len(errors) == 1
        assert events[-1] is errors[0]
        said = rf"{builtin_model} cannot be read at byte \d+: input/output error; look at the disk"
        with pytest.raises(ModelInvalid, match=said):
            raise errors[0]
        assert engine.lost is None, "another try may succeed"
        assert any(remark.startswith("a request failed: ") for remark in streaming(engine).remarks)
        assert engine.status().kv_tokens == engine.status().cached_tokens, "nobody holds cells any more"
        device.broken = False
        engine.forget_everything()
        assert answers(engine, request_) == expected


def cut(path: Path) -> None:
    os.truncate(path, 4096)


def vanish(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    copy = Path(shutil.copy(path, path.with_name("copy")))
    copy.replace(path)


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (cut, ModelInvalid, r"model\.gguf changed while it was in use; load it again"),
        (vanish, ModelMissing, r"model\.gguf vanished while it was in use"),
        (replace, ModelInvalid, r"model\.gguf changed while it was in use"),
    ],
)
def test_file_that_is_another_ends_all_requests_before_a_page_of_it_is_touched(
    builtin_model: Path, tmp_path: Path, damage: Callable[[Path], None], error: type[ModelError], said: str
) -> None:
    """A mapped page of a file that was cut short is gone: whoever touches it is killed."""
    path = Path(shutil.copy(builtin_model, tmp_path / "model.gguf"))
    with streamed_engine(path, n_threads=1) as engine:
        assert answers(engine, TEXT)
        assert engine.lost is None
        damage(path)
        for request in (TEXT, ContinuationsRequest(CODE, ("x = 1\n",)), TEXT):
            with pytest.raises(error, match=said):
                list(engine.events(request))
        assert isinstance(engine.lost, error)


class _Copier:
    """Guesses always as many tokens as it may."""

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        return [1] * limit


@pytest.mark.parametrize("pays", [True, False])
def test_guessing_waits_for_the_proof_that_it_pays_where_experts_are_streamed(pays: bool) -> None:
    speculation = Speculation([_Copier()], is_streamed=True)
    assert not speculation.on
    asked = []
    for occasion in range(400):
        guess = speculation.guess([1, 2, 3], 15)
        if guess:
            asked.append(occasion)
            speculation.observe(len(guess) + 1, 12.0 if pays else 26.0)
            speculation.verified(len(guess), len(guess) if pays else 1)
        else:
            speculation.observe(1, 10.0)
    proven = 4  # guesses
    assert len(asked) >= proven
    assert all(later - earlier >= 64 for earlier, later in itertools.pairwise(asked[:proven]))
    assert speculation.on == pays
    assert (len(asked) > 50) == pays
