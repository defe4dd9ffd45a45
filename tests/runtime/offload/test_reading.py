from __future__ import annotations

import errno
import fcntl
import mmap
import os
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsassist_runtime.errors import ModelInvalid, ModelMissing
from dsassist_runtime.offload.experts import ByteRange
from dsassist_runtime.offload.reading import BLOCK, Lanes, Piece, Preadv

SIZE = 50 * BLOCK + 123  # the last block is not a whole one
CONTENT = random.Random(3).randbytes(SIZE)


@contextmanager
def room(n_bytes: int = 64 * BLOCK) -> Iterator[memoryview]:
    with closing(mmap.mmap(-1, n_bytes)) as memory, memoryview(memory) as view:
        yield view


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("read") / "file"
    path.write_bytes(CONTENT)
    return path


def piece(offset: int, n_bytes: int, at: int) -> Piece:
    return Piece(ByteRange(0, offset, n_bytes), at)


def refused(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
    """A file system without direct I/O."""
    if fcntl.fcntl(fd, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0):
        raise OSError(errno.EINVAL, "Invalid argument")
    return os.preadv(fd, list(buffers), offset)


def short(n_bytes: int) -> Preadv:
    """A device that gives so much at a time."""

    def read(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        return min(n_bytes, os.preadv(fd, list(buffers), offset))

    return read


places = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 6 * BLOCK), st.integers(0, BLOCK), st.booleans())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(places, min_size=1, max_size=6), st.integers(1, 4))
@pytest.mark.parametrize("preadv", [None, refused, short(BLOCK), short(BLOCK + 700), short(3 * BLOCK)])
def test_every_byte_is_put_in_its_place(
    file: Path, preadv: Preadv | None, wanted: list[tuple[int, int, int, bool]], n_lanes: int
) -> None:
    """Whatever the alignment, the size, the lanes, and how much the device gives at a time."""
    pieces = []
    for number, (offset, n_bytes, shifted, aligned) in enumerate(wanted):
        at = 9 * BLOCK * number + BLOCK + (offset % BLOCK if aligned else shifted)
        pieces.append(piece(offset, min(n_bytes, SIZE - offset), at))
    with room() as view:
        with closing(Lanes([file], view, n_lanes=n_lanes, preadv=preadv)) as lanes:
            reading = lanes.read(pieces)
            assert reading.wait()
            assert reading.complete
            lanes.check_unchanged()
            assert lanes.figures().n_bytes >= sum(own.source.n_bytes for own in pieces)
            assert lanes.figures().busy_s > 0
            if preadv is refused:
                assert lanes.buffered == (file,)
        for own in pieces:
            _number, offset, n_bytes = own.source
            assert bytes(view[own.at : own.at + n_bytes]) == CONTENT[offset : offset + n_bytes]


def test_bytes_around_a_piece_that_lies_otherwise_than_in_the_file_stay(file: Path) -> None:
    with room(8 * BLOCK) as view:
        view[:] = b"x" * (8 * BLOCK)
        with closing(Lanes([file], view)) as lanes:
            lanes.read([piece(100, BLOCK, 3 * BLOCK + 7)]).wait()
        end = 4 * BLOCK + 7
        assert bytes(view[: 3 * BLOCK + 7]) == b"x" * (3 * BLOCK + 7)
        assert bytes(view[end:]) == b"x" * (8 * BLOCK - end)


def test_files_of_a_split_model_are_told_apart(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(CONTENT[::-1])
    with room() as view:
        with closing(Lanes([file, other], view)) as lanes:
            lanes.read([piece(0, BLOCK, 0), Piece(ByteRange(1, 0, BLOCK), BLOCK)]).wait()
        assert bytes(view[: 2 * BLOCK]) == CONTENT[:BLOCK] + CONTENT[::-1][:BLOCK]


def test_nothing_to_read_is_there_at_once(file: Path) -> None:
    with room() as view, closing(Lanes([file], view)) as lanes:
        reading = lanes.read([])
        assert reading.complete
        assert reading.wait(lambda: pytest.fail("nobody waits"))


def test_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with room() as view, pytest.raises(ModelMissing, match="there is no file"):
        Lanes([tmp_path / "none"], view)


def test_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with room() as view, pytest.raises(ModelInvalid, match="cannot be read: too many levels of symbolic links"):
        Lanes([loop], view)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, SIZE - 2 * BLOCK)


def written(path: Path) -> None:
    """The same size, other bytes."""
    path.write_bytes(CONTENT[::-1])
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


def replaced(path: Path) -> None:
    """The same bytes at the same time, but another file: nobody knows what else it will be."""
    found = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(CONTENT)
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
    copy.replace(path)


@pytest.mark.parametrize("change", [grown, cut, written, replaced])
@pytest.mark.parametrize("at", [0, SIZE - BLOCK])
@pytest.mark.parametrize("preadv", [None, refused])
def test_file_that_changed_is_an_error(tmp_path: Path, change: object, at: int, preadv: Preadv | None) -> None:
    assert callable(change)
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    with room() as view, closing(Lanes([path], view, preadv=preadv)) as lanes:
        change(path)
        reading = lanes.read([piece(at, BLOCK, at)])
        with pytest.raises(ModelInvalid, match=r"model\.gguf changed while it was in use; load it again"):
            reading.wait()
        assert not reading.complete
        with pytest.raises(ModelInvalid, match="changed while it was in use"):
            lanes.check_unchanged()


def test_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    with room() as view, closing(Lanes([path], view)) as lanes:
        path.unlink()
        with pytest.raises(ModelMissing, match=r"model\.gguf vanished while it was in use"):
            lanes.read([piece(0, BLOCK, 0)]).wait()


def test_read_error_names_the_file_and_the_place(file: Path) -> None:
    def broken(_fd: int, _buffers: Sequence[memoryview], _offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with room() as view, closing(Lanes([file], view, preadv=broken)) as lanes:
        with pytest.raises(ModelInvalid, match="file cannot be read at byte 77: input/output error; look at the disk"):
            lanes.read([piece(77, BLOCK, 0)]).wait()
        assert lanes.read([]).wait()  # the lanes go on


@pytest.mark.parametrize("n_bytes", [0, 700])
def test_device_that_gives_no_more_is_an_error(file: Path, n_bytes: int) -> None:
    """Less than a block at a time is no way to go on with direct I/O, and nothing at all with none."""
    with room() as view, closing(Lanes([file], view, preadv=short(n_bytes))) as lanes:
        if not n_bytes or not lanes.buffered:
            with pytest.raises(ModelInvalid, match=f"the device gave no more than {n_bytes} bytes"):
                lanes.read([piece(0, 2 * BLOCK, 0)]).wait()


def test_error_of_one_piece_is_the_readings_error_and_of_no_other(file: Path) -> None:
    with room() as view, closing(Lanes([file], view)) as lanes:
        bad = lanes.read([piece(0, BLOCK, 0), piece(SIZE + 10 * BLOCK, BLOCK, BLOCK)])
        good = lanes.read([piece(0, BLOCK, 2 * BLOCK)])
        with pytest.raises(ModelInvalid, match="the device gave no more"):
            bad.wait()
        assert good.wait()
        assert good.complete


def test_cancelled_reading_begins_nothing_more_and_writes_nothing_any_more(file: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    offsets: list[int] = []

    def slow(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        offsets.append(offset)
        begun.set()
        assert go_on.wait(60)
        return os.preadv(fd, list(buffers), offset)

    with room() as view, closing(Lanes([file], view, n_lanes=1, preadv=slow)) as lanes:
        reading = lanes.read([piece(number * BLOCK, BLOCK, number * BLOCK) for number in range(10)])
        assert begun.wait(60)
        assert not reading.wait(lambda: True)  # whoever waits is let go
        reading.cancelled = True
        go_on.set()
        reading.cancel()
        assert not reading.complete
        assert not reading.wait()
        assert offsets == [0]
        after = lanes.read([piece(0, BLOCK, 0)])
        assert after.wait()
        reading.cancel()  # nothing happens to what is over
        after.cancel()
        assert after.complete
