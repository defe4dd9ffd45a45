"""Streamed experts give the resident model's numbers, to the last bit, or an error."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelMissing, ModelUnsupported, NotDone
from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.context import Aborted, AbortFlag, BatchToken, Context, NoRoom
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor, RoutingObserver
from dsassist_runtime.offload import StreamedModel, least_budget_bytes, open_streamed, self_test
from dsassist_runtime.offload.experts import find_experts
from dsassist_runtime.offload.reading import Preadv
from dsassist_runtime.offload.region import PAGE, Layout
from dsassist_runtime.offload.streamed_model import expert_bytes
from dsassist_runtime.planning.contents import read_contents
from gguf_files import Field, gguf_bytes, small_model, write
from other_mixtures import ARCHITECTURES, write_mixture

TEXT = "def area(width, height):\n    for x in range(width):\n        yield x * height\n\n\nclass Shape:\n    pass\n"
SIZES: dict[str, Any] = {"n_ctx": 512, "n_batch": 64, "n_threads": 1, "n_seq_max": 2}


def whole(path: Path) -> int:
    experts = find_experts(path)
    return sum(expert_bytes(experts, Layout(experts.tensors)).values())


def budget(path: Path, share: float) -> int:
    return max(int(whole(path) * share), least_budget_bytes(path))


@contextmanager
def resident(path: Path) -> Iterator[tuple[Model, Context]]:
    with closing(Model(path, in_place=True)) as model, closing(Context(model, **SIZES, abort=AbortFlag())) as context:
        yield model, context


@contextmanager
def streamed(path: Path, share: float = 0.0, preadv: Preadv | None = None) -> Iterator[tuple[StreamedModel, Any]]:
    with ExitStack() as stack:
        model = stack.enter_context(closing(StreamedModel(path, budget(path, share), preadv=preadv)))
        yield model, stack.enter_context(closing(model.new_context(**SIZES, abort=AbortFlag())))


def prompt(model: Model) -> list[int]:
    return model.vocabulary.tokenize(4 * TEXT)[:100]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0], ids=["all", "half", "least"])
@pytest.mark.parametrize("batch", [64, 7, 1])
def test_logits_are_the_resident_models_to_the_bit(
    mixture: Path, evaluate: Callable[..., Any], share: float, batch: int
) -> None:
    with resident(mixture) as (model, context):
        tokens = prompt(model)[: 20 if batch == 1 else 70]
        expected = evaluate(context, tokens, batch=batch, n_written=16)
    assert np.isfinite(expected).all()
    assert expected.std() > 0.1
    with streamed(mixture, share) as (model, context):
        found = evaluate(context, tokens, batch=batch, n_written=16)
        assert np.array_equal(found, expected)
        context.forget(0)
        assert np.array_equal(evaluate(context, tokens, batch=batch, n_written=16), expected)
        figures = model.figures()
    assert figures.cache.held_bytes <= figures.cache.budget_bytes == budget(mixture, share)
    assert figures.cache.hits > 0
    assert figures.read.n_bytes >= figures.cache.missed_bytes > 0
    if share == 1.0:
        assert figures.cache.evictions == 0
        assert figures.cache.missed_bytes == figures.cache.held_bytes
    else:
        assert figures.cache.evictions > 0


@pytest.mark.parametrize("n_files", [2, 3])
def test_split_model_is_streamed_from_all_its_files(
    mixture: Path, split: Callable[[Path, int], Path], evaluate: Callable[..., Any], n_files: int
) -> None:
    with resident(mixture) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64, n_written=8)
    with streamed(split(mixture, n_files)) as (model, context):
        assert np.array_equal(evaluate(context, tokens, batch=64, n_written=8), expected)


def test_file_system_without_direct_io_serves_as_well(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    def refused(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        import fcntl

        if fcntl.fcntl(fd, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "Invalid argument")
        return os.preadv(fd, list(buffers), offset)

    with resident(synthetic) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64, n_written=4)
    with streamed(synthetic, preadv=refused) as (streaming, context):
        assert np.array_equal(evaluate(context, tokens, batch=64, n_written=4), expected)
        assert any("no direct I/O on this file system" in remark for remark in streaming.remarks())


def test_merged_gate_and_up_are_streamed_as_well(fused: Path, synthetic: Path, evaluate: Callable[..., Any]) -> None:
    with resident(fused) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64, n_written=8)
    with streamed(fused) as (model, context):
        assert {tensor.projection for tensor in model.experts.tensors} == {"gate_up", "down"}
        assert np.array_equal(evaluate(context, tokens, batch=64, n_written=8), expected)
    with streamed(synthetic) as (model, context):
        assert np.array_equal(evaluate(context, tokens, batch=64, n_written=8), expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_architectures_are_streamed_to_the_bit(
    tmp_path: Path, evaluate: Callable[..., Any], architecture: str
) -> None:
    path = write_mixture(tmp_path / "mixture.gguf", architecture)
    with resident(path) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=32, n_written=8)
    assert np.isfinite(expected).all()
    assert expected.std() > 0.1
    contents = read_contents(path)
    assert contents.expert_bytes + contents.dense_bytes == sum(each.n_bytes for each in read_header(path).tensors)
    assert [layer.index for layer in contents.layers if layer.n_experts] == list(find_experts(path).by_layer)
    with streamed(path) as (streaming, context):
        assert np.array_equal(evaluate(context, tokens, batch=32, n_written=8), expected)
        figures = streaming.figures().cache
    assert figures.misses > 0
    assert figures.hits > 0


def test_no_projection_is_awaited_before_it_is_multiplied_with(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    """`down` comes while `up` and `gate` are computed; it is read here only once `gate` was."""
    experts = find_experts(synthetic)
    downs = [tensor for tensor in experts.tensors if tensor.projection == "down"]
    computed: set[bytes] = set()
    changed = threading.Condition()

    def late(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        for down in downs:
            if down.offset <= offset + PAGE and offset < down.offset + down.n_experts * down.slice_bytes:
                with changed:
                    assert changed.wait_for(lambda: b"ffn_moe_gate-%d" % down.layer in computed, timeout=60)  # noqa: B023
        return os.preadv(fd, list(buffers), offset)

    with streamed(synthetic, preadv=late) as (model, context):
        stream = model._stream
        see = stream._see

        def seen(address: int, batch: Any) -> None:
            see(address, batch)
            with changed:
                computed.add(GgmlTensor.from_address(address).name)
                changed.notify_all()

        stream._see = seen  # type: ignore[method-assign]
        tokens = prompt(model.model)[:4]
        found = evaluate(context, tokens, batch=4)
    with resident(synthetic) as (_model, context):
        assert np.array_equal(evaluate(context, tokens, batch=4), found)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no file system in memory")
def test_file_in_memory_serves_as_well(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    with resident(synthetic) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        copy = Path(shutil.copy(synthetic, folder))
        with streamed(copy) as (model, context):
            assert np.array_equal(evaluate(context, tokens, batch=64), expected)


def test_two_contexts_and_two_sequences_share_the_experts(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    with resident(synthetic) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=32)
        other = evaluate(context, tokens[::-1], batch=32, sequence=1)
    with streamed(synthetic) as (model, context):
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as second:
            for start in range(0, len(tokens), 32):
                for own, order, rows in ((context, tokens, expected), (second, tokens[::-1], other)):
                    part = order[start : start + 32]
                    own.decode([BatchToken(token, start + i, 0, True) for i, token in enumerate(part)])
                    assert np.array_equal([own.logits(i) for i in range(len(part))], rows[start : start + len(part)])
        assert np.array_equal(evaluate(context, tokens[::-1], batch=32, sequence=1), other)


def test_context_that_knows_nothing_of_the_stream_is_right_too(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    with resident(synthetic) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64)
    with streamed(synthetic) as (model, context):
        assert np.array_equal(evaluate(context, tokens, batch=64), expected)
        observer = RoutingObserver(16)
        with closing(Context(model.model, **SIZES, abort=AbortFlag(), eval_callback=observer.callback)) as plain:
            assert np.array_equal(evaluate(plain, tokens, batch=64), expected)
        assert observer.result()


def test_experts_in_memory_are_those_of_the_files(mixture: Path, evaluate: Callable[..., Any]) -> None:
    """The slices that the header tells are where llama.cpp has them, and what is held is what the file has."""
    content = mixture.read_bytes()
    with streamed(mixture, 1.0) as (model, context):
        evaluate(context, prompt(model.model), batch=64)
        region, held = model._stream._region, model._cache.held()
        assert len(held) > 10
        for layer, expert in held:
            for tensor in model.experts.by_layer[layer]:
                at, source = region.layout.at(tensor, expert), tensor.slice(expert)
                expected = content[source.offset : source.offset + source.n_bytes]
                assert bytes(region.room[at : at + source.n_bytes]) == expected


def in_memory_bytes(model: StreamedModel) -> int:
    """What of the experts' region has pages."""
    region = model._stream._region
    with Path("/proc/self/pagemap").open("rb") as pagemap:
        pagemap.seek(region._address // PAGE * 8)
        entries = np.frombuffer(pagemap.read(region.layout.n_bytes // PAGE * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum()) * PAGE


needs_pagemap = pytest.mark.skipif(
    not Path("/proc/self/pagemap").exists(), reason="only Linux tells which pages are in memory"
)


@needs_pagemap
def test_experts_take_the_memory_that_the_cache_says_and_no_page_more(
    mixture: Path, evaluate: Callable[..., Any]
) -> None:
    with streamed(mixture) as (model, context):
        tokens = prompt(model.model)
        for start in range(0, 90, 30):
            evaluate(context, tokens[start : start + 30], batch=30)
            context.forget(0)
            assert in_memory_bytes(model) == model.figures().cache.held_bytes <= budget(mixture, 0.0)


def test_review_leaves_the_completions_experts_in_memory(mixture: Path, evaluate: Callable[..., Any]) -> None:
    with streamed(mixture, 0.75) as (model, context):
        tokens = prompt(model.model)
        evaluate(context, tokens[:4], batch=4)
        before = model.figures().cache
        context.forget(0)
        evaluate(context, tokens[:4], batch=4)
        assert model.figures().cache.misses == before.misses, "the budget holds what a completion uses"
        context.protect = False
        for start in (0, 20, 40):
            context.forget(0)
            evaluate(context, tokens[start : start + 60], batch=60)
        reviewed = model.figures().cache
        assert reviewed.evictions > 0, "the review must be larger than its part of the budget"
        context.protect = True
        context.forget(0)
        evaluate(context, tokens[:4], batch=4)
        assert model.figures().cache.misses == reviewed.misses


def test_budget_follows_what_the_memory_allows(synthetic: Path, evaluate: Callable[..., Any]) -> None:
    with resident(synthetic) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=64)
    with streamed(synthetic, 1.0) as (model, context):
        for size in (whole(synthetic), least_budget_bytes(synthetic), whole(synthetic)):
            model.resize(size)
            assert model.figures().cache.held_bytes <= size
            context.forget(0)
            assert np.array_equal(evaluate(context, tokens, batch=64), expected)
        with pytest.raises(DsassistError, match="are too little for its experts"):
            model.resize(least_budget_bytes(synthetic) - 1)


@pytest.fixture
def copied(synthetic: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(synthetic, tmp_path / "model.gguf"))


def vanish(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    """Not below what is mapped and in use: there llama.cpp itself would be killed."""
    os.truncate(path, path.stat().st_size - 1)


def write_over(path: Path) -> None:
    experts = find_experts(path)
    with path.open("r+b") as file:
        for tensor in experts.tensors:
            file.seek(tensor.offset)
            file.write(bytes(tensor.n_experts * tensor.slice_bytes))


def replace(path: Path) -> None:
    copy = shutil.copy(path, path.with_name("copy"))
    Path(copy).replace(path)


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (vanish, ModelMissing, "vanished while it was in use"),
        (cut, ModelInvalid, "changed while it was in use"),
        (write_over, ModelInvalid, "changed while it was in use"),
        (replace, ModelInvalid, "changed while it was in use"),
    ],
)
@pytest.mark.parametrize("written", [0, 3])
def test_damaged_file_ends_the_batch_with_an_error(
    copied: Path,
    evaluate: Callable[..., Any],
    damage: Callable[[Path], None],
    error: type[Exception],
    words: str,
    written: int,
) -> None:
    with streamed(copied) as (model, context):
        tokens = prompt(model.model)
        evaluate(context, tokens[:1], batch=1, n_written=written)
        damage(copied)
        with pytest.raises(error, match=words):
            context.decode([BatchToken(token, 1 + written + i, 0, True) for i, token in enumerate(tokens[:60])])
        context.forget(0)
        with pytest.raises(error, match=words):  # nor is anything kept that was read in between
            evaluate(context, tokens, batch=60)


def test_failed_batch_leaves_nothing_in_the_kv_cache(copied: Path, evaluate: Callable[..., Any]) -> None:
    """A batch that llama.cpp takes for evaluated would leave keys and values that come from no weights at all."""
    with streamed(copied) as (model, context):
        tokens = prompt(model.model)
        evaluate(context, tokens[:5], batch=5)
        vanish(copied)
        with pytest.raises(ModelMissing):
            context.decode([BatchToken(token, 5 + i, 0, True) for i, token in enumerate(tokens[:50])])
        assert context._library.llama_memory_seq_pos_max(context._memory, 0) == 4


class Flaky:
    """A device of which one read in so many fails, from when it is told to."""

    def __init__(self) -> None:
        self.every = 0
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        with self._lock:
            self._count += 1
            if self.every and self._count % self.every == 0:
                raise OSError(errno.EIO, "Input/output error")
        return os.preadv(fd, list(buffers), offset)


@pytest.mark.parametrize("every", [1, 2, 5, 17, 40])
def test_batch_after_a_read_error_is_right_again(mixture: Path, evaluate: Callable[..., Any], every: int) -> None:
    """Whichever read fails, of gate, up or down: what came in half is never used."""
    device = Flaky()
    with resident(mixture) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=50)
    with streamed(mixture, preadv=device) as (_model, context):
        for _ in range(2):
            device.every = every
            with pytest.raises(ModelInvalid, match=r"cannot be read at byte .*: input/output error; look at the disk"):
                evaluate(context, tokens, batch=50)
            device.every = 0
            context.forget(0)
            assert np.array_equal(evaluate(context, tokens, batch=50), expected)
            context.forget(0)


@needs_pagemap
@pytest.mark.parametrize("every", [1, 5, 17])
def test_failed_batch_leaves_no_memory_behind_that_nobody_counts(
    mixture: Path, evaluate: Callable[..., Any], every: int
) -> None:
    """An evicted expert whose memory was to be taken over by a read that never began must go all the same."""
    device = Flaky()
    with streamed(mixture, preadv=device) as (model, context):
        tokens = prompt(model.model)
        evaluate(context, tokens, batch=10)
        assert model.figures().cache.evictions > 0
        device.every = every
        context.forget(0)
        with pytest.raises(ModelInvalid):
            evaluate(context, tokens[::-1], batch=10)
        assert in_memory_bytes(model) == model.figures().cache.held_bytes


def test_abort_ends_a_batch_that_waits_for_the_disk(mixture: Path, evaluate: Callable[..., Any]) -> None:
    hold, begun = threading.Event(), threading.Event()
    hold.set()

    def slow(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        begun.set()
        assert hold.wait(60)
        return os.preadv(fd, list(buffers), offset)

    flag = AbortFlag()
    with resident(mixture) as (model, context):
        tokens = prompt(model)
        expected = evaluate(context, tokens, batch=50)
    with ExitStack() as stack:
        streaming = stack.enter_context(closing(StreamedModel(mixture, budget(mixture, 0.0), preadv=slow)))
        context = stack.enter_context(closing(streaming.new_context(**SIZES, abort=flag)))
        begun.clear()
        hold.clear()

        def interrupt() -> None:
            assert begun.wait(60)
            flag.set()
            hold.set()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Aborted):
            evaluate(context, tokens, batch=50)
        thread.join()
        assert flag, "it was not raised by the stream, which leaves it alone"
        flag.clear()
        context.forget(0)
        assert np.array_equal(evaluate(context, tokens, batch=50), expected)


def test_batch_without_room_is_refused_as_ever(synthetic: Path) -> None:
    with ExitStack() as stack:
        model = stack.enter_context(closing(StreamedModel(synthetic, whole(synthetic))))
        sizes: dict[str, Any] = {**SIZES, "n_ctx": 256, "n_batch": 256}
        context = stack.enter_context(closing(model.new_context(**sizes, abort=AbortFlag())))
        context.decode([BatchToken(5, i, 0, False) for i in range(250)])
        with pytest.raises(NoRoom):
            context.decode([BatchToken(5, 250 + i, 0, False) for i in range(10)])


def test_self_test_finds_nothing_where_all_is_well(mixture: Path, evaluate: Callable[..., Any]) -> None:
    with closing(open_streamed(mixture, least_budget_bytes(mixture))) as model:
        self_test(model)
        assert model.figures().cache.misses > 0


def test_self_test_finds_wrong_weights(mixture: Path) -> None:
    def wrong(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        count = os.preadv(fd, list(buffers), offset)
        for buffer in buffers:
            for at in range(2000, count, 4096):
                buffer[at] ^= 0x55
        return count

    model = StreamedModel(mixture, budget(mixture, 1.0), preadv=wrong)
    with closing(model), pytest.raises(NotDone, match="computes other numbers with experts from the disk"):
        self_test(model)


def test_budget_below_a_tokens_experts_and_a_layer_is_refused_with_the_number(mixture: Path) -> None:
    least = least_budget_bytes(mixture)
    assert least < whole(mixture)
    with pytest.raises(DsassistError, match=f"give them at least {least / 1e6:.1f} of their") as caught:
        open_streamed(mixture, least - 1)
    assert not isinstance(caught.value, NotDone), "the user named the number"
    open_streamed(mixture, least).close()


def test_dense_model_is_refused(tmp_path: Path) -> None:
    dense = write(tmp_path / "dense.gguf", small_model())
    with pytest.raises(ModelUnsupported, match="has no merged experts"):
        open_streamed(dense, 1 << 30)


def test_file_that_llama_cpp_refuses_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    metadata: dict[str, Field] = {"general.architecture": "some", "some.expert_used_count": 1}
    bad = gguf_bytes(metadata, {"blk.0.ffn_up_exps.weight": (0, (8, 4, 4), 512)})
    with pytest.raises(ModelUnsupported, match="does not know the architecture some"):
        open_streamed(write(tmp_path / "bad.gguf", bad), 1 << 30)
    assert threading.active_count() == before


def test_closing_gives_threads_files_and_memory_back(mixture: Path, evaluate: Callable[..., Any]) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/dev/fd").iterdir()))

    before = held()
    with streamed(mixture) as (model, context):
        evaluate(context, prompt(model.model), batch=64)
        assert held() > before
    assert held() == before


def test_dense_weights_are_locked_where_that_is_asked_for(synthetic: Path) -> None:
    experts = find_experts(synthetic)
    dense = sum(tensor.n_bytes for tensor in experts.headers[0].tensors)
    dense -= sum(tensor.n_experts * tensor.slice_bytes for tensor in experts.tensors)
    with closing(open_streamed(synthetic, whole(synthetic))) as model:
        if model.locked.reason:
            assert "the system may page them out" in "".join(model.remarks())
        else:
            assert dense <= model.locked.n_bytes < dense + 2 * 4096 * len(experts.headers[0].tensors)
    with closing(open_streamed(synthetic, whole(synthetic), lock=False)) as model:
        assert model.locked.n_bytes == 0
        assert "page them out" not in "".join(model.remarks())
