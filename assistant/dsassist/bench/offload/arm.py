"""`python -m dsassist.bench.offload.arm`: one way to run a model, in a process of its own.

An `Order` as a line of JSON in, an `Outcome` out. Before it loads anything the process joins the memory cgroup.

    resident  our context on the mapped file, with room for all of it
    mmap      the same; what makes it another arm is the cap, and how far the system reads ahead
    advised   as mmap, and the chosen slices are asked for (see `advised`)
    streamed  experts from the disk into a budget (`dsassist_runtime.offload`)
"""

from __future__ import annotations

import ctypes
import functools
import json
import resource
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist.bench.offload.advised import WillNeed
from dsassist.bench.offload.memory_cap import CapKind, MemoryCap
from dsassist.bench.offload.routing import ForcedRouting, drawn_recording, read_recording
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.offload import StreamedModel
from dsassist_runtime.offload.experts import find_experts
from dsassist_runtime.offload.watching import watching_s

__all__ = ["Arm", "Order", "Outcome", "Routing", "Streamed", "Traffic"]

Arm = Literal["resident", "mmap", "advised", "streamed"]
Routing = Literal["own", "recorded", "drawn"]

_TEXT = (
    "import heapq\n\n\ndef shortest_path(graph, start, goal):\n"
    '    """The cheapest way from start to goal, as a list of nodes; None where there is none."""\n'
    "    queue = [(0, start, [start])]\n    seen = set()\n    while queue:\n"
    "        cost, node, path = heapq.heappop(queue)\n        if node == goal:\n            return path\n"
)
_FEWEST_TOKENS = 8  # timed, whatever they take
_PAIRS = 24  # of tokens, ours and bare llama.cpp's


@dataclass(frozen=True)
class Order:
    """What is to be run: a prompt of `n_prompt` tokens in batches of `batch`, then up to `n_tokens` that are timed."""

    arm: Arm
    model: str
    n_threads: int
    n_prompt: int
    batch: int
    n_tokens: int
    limit_s: float  # no token is begun later than this after the prompt, but for the first few
    budget_bytes: int = 0  # of `streamed`
    n_lanes: int = 4
    beside_bare: bool = False  # compare with llama.cpp's own calls as well
    routing: Routing = "own"
    recording: str = ""  # its file; empty for the one that we carry
    first_step: int = 0  # of the recording
    cap_kind: CapKind = "no cap"
    cap_path: str = ""


@dataclass(frozen=True)
class Traffic:
    """What the timed tokens took; of experts only where they are streamed."""

    disk_bytes: int  # that this process made the kernel read
    major_faults: int
    hits: int = 0
    misses: int = 0
    missed_bytes: int = 0


@dataclass(frozen=True)
class Streamed:
    """What is known of streamed experts besides: of each timed token, and of our callback."""

    missed_bytes: list[int]
    waited_s: list[float]
    watching_s: float  # that a token takes longer by our callback, with all its experts in memory


@dataclass(frozen=True)
class Outcome:
    """What came of an order."""

    token_s: list[float]
    checks: list[int]  # of the logits behind the prompt and behind each timed token, their bits
    traffic: Traffic
    peak_bytes: int | None  # of the cgroup, while the timed tokens were written; None where nobody tells
    streamed: Streamed | None = None
    of_bare: float | None = None  # the speed, of that of llama.cpp's own calls

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """What the process wrote."""
        found: dict[str, Any] = json.loads(line)
        streamed = found["streamed"]
        return cls(
            **{
                **found,
                "traffic": Traffic(**found["traffic"]),
                "streamed": None if streamed is None else Streamed(**streamed),
            }
        )


Logits = npt.NDArray[np.float32]


class _Opened(NamedTuple):
    """A model ready to decode; `evaluate` takes tokens and the first one's position, and gives the last logits."""

    model: Model
    evaluate: Callable[[list[int], int], Logits]
    streamed: StreamedModel | None = None
    watching_s: Callable[[int, int], float] | None = None  # of a token at a position
    of_bare: Callable[[int, int], float] | None = None


def run(order: Order) -> Outcome:
    """Do as ordered, in this process."""
    cap = MemoryCap(order.cap_kind, Path(order.cap_path) if order.cap_path else None)
    cap.join()
    with ExitStack() as stack:
        opened = stack.enter_context(_ARMS[order.arm](order))
        steer = _steering(order, opened.model)
        logits = _prompt(order, opened, steer)
        peak = cap.peak()
        stack.enter_context(peak or nullcontext())
        before = _traffic(opened)
        written = _write(order, opened, steer, logits)
        traffic = _difference(_traffic(opened), before)
        peak_bytes = peak.bytes() if peak else None
        last = written.next_token, order.n_prompt + len(written.token_s)
        streamed = _streamed_part(opened, written, *last)
        of_bare = opened.of_bare(*last) if opened.of_bare is not None else None
        return Outcome(written.token_s, written.checks, traffic, peak_bytes, streamed, of_bare)


def _prompt(order: Order, opened: _Opened, steer: Callable[[int], None]) -> Logits:
    tokens = opened.model.vocabulary.tokenize(_TEXT * (1 + order.n_prompt // 32))[: order.n_prompt]
    logits = np.zeros(0, np.float32)
    for start in range(0, len(tokens), order.batch):
        steer(start)
        logits = opened.evaluate(tokens[start : start + order.batch], start)
    return logits


class _Written(NamedTuple):
    """Of each token what it took, and of streamed ones the bytes missed and the time waited by then."""

    token_s: list[float]
    checks: list[int]
    missed_bytes: list[int]
    waited_s: list[float]
    next_token: int


def _write(order: Order, opened: _Opened, steer: Callable[[int], None], logits: Logits) -> _Written:
    written = _Written([], [zlib.crc32(logits.tobytes())], [], [], 0)
    _note_misses(opened, written)
    began = time.perf_counter()
    for number in range(order.n_tokens):
        started = time.perf_counter()
        if number >= _FEWEST_TOKENS and started - began > order.limit_s:
            break
        position = order.n_prompt + number
        steer(position)
        logits = opened.evaluate([int(logits.argmax())], position)
        written.token_s.append(time.perf_counter() - started)
        written.checks.append(zlib.crc32(logits.tobytes()))
        _note_misses(opened, written)
    return written._replace(next_token=int(logits.argmax()))


def _note_misses(opened: _Opened, written: _Written) -> None:
    if opened.streamed is not None:
        written.missed_bytes.append(opened.streamed.figures().cache.missed_bytes)
        written.waited_s.append(opened.streamed.waited_s)


def _streamed_part(opened: _Opened, written: _Written, token: int, position: int) -> Streamed | None:
    if opened.watching_s is None:
        return None
    missed, waited = written.missed_bytes, written.waited_s
    return Streamed(
        [later - earlier for earlier, later in pairwise(missed)],
        [later - earlier for earlier, later in pairwise(waited)],
        opened.watching_s(token, position),
    )


def _steering(order: Order, model: Model) -> Callable[[int], None]:
    """What is to be called before the token at a position is evaluated."""
    if order.routing == "own":
        return lambda _position: None
    if order.routing == "recorded":
        recording = read_recording(Path(order.recording) if order.recording else None)
    else:
        experts = find_experts(model.path)
        shape = len(experts.by_layer), experts.tensors[0].n_experts, experts.n_used
        recording = drawn_recording(order.n_prompt + order.n_tokens, *shape)
    forced = ForcedRouting(model, recording)
    return lambda position: forced.choose(order.first_step + position)


def _traffic(opened: _Opened) -> Traffic:
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    if opened.streamed is None:
        return Traffic(_disk_bytes(), faults)
    cache = opened.streamed.figures().cache
    return Traffic(_disk_bytes(), faults, cache.hits, cache.misses, cache.missed_bytes)


def _difference(later: Traffic, earlier: Traffic) -> Traffic:
    one, other = asdict(later), asdict(earlier)
    return Traffic(**{name: one[name] - other[name] for name in one})


def _disk_bytes() -> int:
    """0 where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


@contextmanager
def _mapped(order: Order) -> Iterator[_Opened]:
    with closing(Model(Path(order.model), in_place=True)) as model, closing(_context(order, model)) as context:
        of_bare = functools.partial(_of_bare, order, model, context) if order.beside_bare else None
        yield _Opened(model, _evaluation(context), of_bare=of_bare)


def _of_bare(order: Order, model: Model, context: Context, token: int, position: int) -> float:
    """How many times longer the same token takes llama.cpp's own calls, with nothing of ours; they take turns."""
    library = load_library()
    params = library.llama_context_default_params()
    params.n_ctx, params.n_batch = _n_ctx(order), order.batch
    params.n_threads = params.n_threads_batch = order.n_threads
    bare = library.llama_init_from_model(model.pointer, params)
    _copy_sequence(library, context.pointer, bare)  # attention takes longer behind more tokens
    memory = library.llama_get_memory(bare)
    one, batch = (library.llama_token * 1)(token), [BatchToken(token, position, 0, True)]

    def bare_s() -> float:
        began = time.perf_counter()
        code = library.llama_decode(bare, library.llama_batch_get_one(one, 1))
        np.ctypeslib.as_array(library.llama_get_logits_ith(bare, -1), shape=(model.vocabulary.n_tokens,))
        assert code == 0, f"llama_decode returned {code}"
        ended = time.perf_counter()
        library.llama_memory_seq_rm(memory, 0, position, -1)
        return ended - began

    def ours_s() -> float:
        began = time.perf_counter()
        context.decode(batch)
        context.logits(0)
        ended = time.perf_counter()
        context.forget(0, position)
        return ended - began

    try:
        bare_s(), ours_s()  # builds their graphs
        pairs = [(bare_s(), ours_s()) if number % 2 else (ours_s(), bare_s())[::-1] for number in range(_PAIRS)]
    finally:
        library.llama_free(bare)
    return statistics.median(theirs for theirs, _ours in pairs) / statistics.median(ours for _theirs, ours in pairs)


def _copy_sequence(library: Any, source: Any, target: Any) -> None:
    size = library.llama_state_seq_get_size(source, 0)
    state = (ctypes.c_uint8 * size)()
    n_bytes = library.llama_state_seq_get_data(source, state, size, 0)
    assert n_bytes, "the sequence could not be copied"
    assert library.llama_state_seq_set_data(target, state, n_bytes, 0), "the sequence could not be put in place"


@contextmanager
def _advised(order: Order) -> Iterator[_Opened]:
    with closing(Model(Path(order.model), in_place=True)) as model:
        advice = WillNeed(model)
        with closing(_context(order, model, advice.callback)) as context:
            yield _Opened(model, _evaluation(context))


@contextmanager
def _streamed(order: Order) -> Iterator[_Opened]:
    with closing(StreamedModel(Path(order.model), order.budget_bytes, n_lanes=order.n_lanes)) as model:
        sizes = {"n_ctx": _n_ctx(order), "n_batch": order.batch, "n_threads": order.n_threads}
        with closing(model.new_context(**sizes, n_outputs_max=1, abort=AbortFlag())) as context:
            yield _Opened(model.model, _evaluation(context), model, functools.partial(watching_s, model, context))


def _context(order: Order, model: Model, callback: Any = None) -> Context:
    return Context(
        model,
        n_ctx=_n_ctx(order),
        n_batch=order.batch,
        n_threads=order.n_threads,
        n_outputs_max=1,
        abort=AbortFlag(),
        eval_callback=callback,
    )


def _evaluation(context: Context) -> Callable[[list[int], int], Logits]:
    def evaluate(tokens: list[int], position: int) -> Logits:
        last = len(tokens) - 1
        context.decode([BatchToken(token, position + i, 0, i == last) for i, token in enumerate(tokens)])
        return context.logits(last)

    return evaluate


def _n_ctx(order: Order) -> int:
    return -(-(order.n_prompt + order.n_tokens + 2) // 256) * 256


_ARMS: dict[Arm, Callable[[Order], AbstractContextManager[_Opened]]] = {
    "resident": _mapped,
    "mmap": _mapped,
    "advised": _advised,
    "streamed": _streamed,
}


def _main() -> int:
    try:
        outcome = run(Order(**json.loads(sys.stdin.readline())))
    except DsassistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
