"""The header of a GGUF file, read without loading the model: metadata, tensors, and whether the file is whole.

Knows nothing about what the values mean for memory or prompts, but for the fill-in-the-middle tokens that the engine
needs. Format: ggml/docs/gguf.md. Long arrays stay in the file until somebody asks (a vocabulary of 152,000 texts takes
gguf-py seconds); every length is held against the file's size before it is used, as files come from strangers.
"""

from __future__ import annotations

import math
import mmap
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast, get_args

from dsassist_runtime.api import FimOrder
from dsassist_runtime.errors import ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_runtime.ggml_types import TENSOR_TYPES

__all__ = ["ArrayInFile", "FimTokens", "GgufHeader", "Tensor", "Value", "fim_orders", "fim_tokens", "read_header"]

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_KEPT_ARRAY = 1024  # numbers up to this length (a value per layer) are read at once
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# The texts by which llama.cpp knows tokens that a file does not declare: llama-vocab.cpp, from "find FIM_PRE token" on.
_FIM_TEXTS: dict[str, tuple[str, ...]] = {
    "prefix": (
        "<|fim_prefix|>",
        "<fim-prefix>",
        "<fim_prefix>",
        "<｜fim▁begin｜>",
        "<PRE>",
        "▁<PRE>",
        "<|code_prefix|>",
        "<|prefix|>",
    ),
    "suffix": (
        "<|fim_suffix|>",
        "<fim-suffix>",
        "<fim_suffix>",
        "<｜fim▁hole｜>",
        "<SUF>",
        "▁<SUF>",
        "<|code_suffix|>",
        "<|suffix|>",
    ),
    "middle": (
        "<|fim_middle|>",
        "<fim-middle>",
        "<fim_middle>",
        "<｜fim▁end｜>",
        "<MID>",
        "▁<MID>",
        "<|code_middle|>",
        "<|middle|>",
    ),
}
_FIM_KEYS = {
    "prefix": ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"),
    "suffix": ("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"),
    "middle": ("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"),
}


@dataclass(frozen=True)
class ArrayInFile:
    """A long array or one of texts, left in the file: `count` elements of GGUF type `kind`, at byte `offset`."""

    kind: int
    count: int
    offset: int


Value = bool | int | float | str | tuple[bool | int | float, ...] | ArrayInFile


class Tensor(NamedTuple):
    """A tensor's place: `shape` has the fastest axis first, `offset` counts from `GgufHeader.data_offset`."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    n_bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """What stands before the weights."""

    path: Path
    version: int
    metadata: dict[str, Value] = field(repr=False)
    tensors: tuple[Tensor, ...] = field(repr=False)
    data_offset: int
    file_bytes: int

    @property
    def architecture(self) -> str:
        """`general.architecture`, or an empty text."""
        return self.text("general.architecture")

    def text(self, key: str) -> str:
        """A text of the metadata, or an empty one."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def integer(self, key: str, default: int = 0) -> int:
        """A whole number of the metadata; `{arch}` in the key stands for the architecture."""
        value = self.metadata.get(key.replace("{arch}", self.architecture))
        return value if isinstance(value, int) else default

    def integers(self, key: str) -> tuple[int, ...] | None:
        """The whole numbers of a short array, 0 in the place of what is none; None where no such array is."""
        value = self.metadata.get(key.replace("{arch}", self.architecture))
        if not isinstance(value, tuple):
            return None
        return tuple(int(each) if _is_whole(each) else 0 for each in value)

    def length(self, key: str) -> int:
        """How many elements an array has; 0 when there is none."""
        value = self.metadata.get(key)
        if isinstance(value, ArrayInFile):
            return value.count
        return len(value) if isinstance(value, tuple) else 0

    def strings(self, key: str) -> Iterator[bytes]:
        """The elements of an array of texts, in UTF-8, read from the file now."""
        value = self.metadata.get(key)
        if isinstance(value, ArrayInFile) and value.kind == _STRING:
            unpack, at = struct.Struct("<Q").unpack_from, value.offset
            with _mapped(self.path) as data:
                for _ in range(value.count):  # the lengths were checked when the header was read
                    start = at + 8
                    at = start + unpack(data, at)[0]
                    yield data[start:at]


class FimTokens(NamedTuple):
    """The ids of the three tokens that mark a hole."""

    prefix: int
    suffix: int
    middle: int


def _is_whole(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value == int(value)


def read_header(path: Path) -> GgufHeader:
    """Read a GGUF's header and check that the whole file is there.

    Raises `ModelMissing`, `ModelInvalid`, or `ModelUnsupported` for a tensor type that llama.cpp did not have yet.
    """
    with _mapped(path) as data:
        reader = _Reader(path, data)
        version, n_tensors, n_metadata = _preamble(reader)
        metadata: dict[str, Value] = {}
        for _ in range(n_metadata):
            key = reader.text()
            if key in metadata:
                raise reader.damaged(f"the key {key!r} stands there twice")
            metadata[key] = _value(reader, reader.number("<I"))
        tensors = tuple(_tensor(reader) for _ in range(n_tensors))
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 30:
            raise reader.damaged(f"general.alignment is {alignment!r}, and must be a power of two")
        data_offset = -(-reader.at // alignment) * alignment
        header = GgufHeader(path, version, metadata, tensors, data_offset, len(data))
    _check_whole(header)
    return header


def fim_tokens(header: GgufHeader) -> FimTokens | None:
    """The fill-in-the-middle tokens, by the metadata or else by texts that llama.cpp knows; None unless all three."""
    found: dict[str, int] = {}
    for role, keys in _FIM_KEYS.items():
        for key in keys:
            if (token := header.integer(key, -1)) >= 0:
                found.setdefault(role, token)
    if len(found) < 3:
        roles = {text.encode(): role for role, texts in _FIM_TEXTS.items() if role not in found for text in texts}
        for token, raw in enumerate(header.strings("tokenizer.ggml.tokens")):
            if raw in roles:
                found.setdefault(roles[raw], token)
    return FimTokens(**found) if len(found) == 3 else None


def fim_orders(header: GgufHeader) -> tuple[FimOrder, ...]:
    """The orders of prefix and suffix that the model learnt, preferred first; empty when it cannot fill in the middle.

    `dsassist.fim.order` ("spm,psm") tells; a file without that key gets ("psm",), as code models are published.
    """
    if fim_tokens(header) is None:
        return ()
    named = [name.strip() for name in header.text("dsassist.fim.order").split(",")]
    known = tuple(dict.fromkeys(cast(FimOrder, name) for name in named if name in get_args(FimOrder)))
    return known or ("psm",)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ModelInvalid(f"{path} is a directory; name the GGUF file inside it")
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its writer
            raise ModelInvalid(f"{path} is no regular file")
        if found.st_size == 0:
            raise ModelInvalid(f"{path} is empty; pull it again")
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(f"there is no file {path}; check the path, or see `dsassist model list`") from None
    except OSError as error:
        raise ModelInvalid(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    with data:
        yield data


class _Reader:
    """A place in the file that moves on; `ModelInvalid` where the file ends too early."""

    def __init__(self, path: Path, data: mmap.mmap, at: int = 0) -> None:
        self.path = path
        self.data = data
        self.at = at

    def damaged(self, what: str) -> ModelInvalid:
        return ModelInvalid(f"{self.path} has a damaged header: {what}; pull it again")

    def cut(self) -> ModelInvalid:
        return ModelInvalid(
            f"{self.path} is truncated: its header goes on past its {len(self.data)} bytes; pull it again"
        )

    def number(self, code: str) -> int:
        return cast(int, self.scalar(code))

    def scalar(self, code: str) -> bool | int | float:
        try:
            (value,) = struct.unpack_from(code, self.data, self.at)
        except (struct.error, OverflowError):
            raise self.cut() from None
        self.at += struct.calcsize(code)
        return cast("bool | int | float", value)

    def count(self, least_bytes: int, code: str = "<Q") -> int:
        """A number of things that take `least_bytes` each at least, so that the rest of the file limits it."""
        count = self.number(code)
        if count * least_bytes > len(self.data) - self.at:
            raise self.cut()
        return count

    def string(self) -> bytes:
        size = self.count(1)
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self) -> str:
        return self.string().decode("utf-8", "replace")

    def skip_strings(self, count: int) -> None:
        at, data, unpack = self.at, self.data, struct.Struct("<Q").unpack_from
        try:
            for _ in range(count):
                at += 8 + unpack(data, at)[0]
        except (struct.error, OverflowError):
            raise self.cut() from None
        if at > len(data):
            raise self.cut()
        self.at = at


def _preamble(reader: _Reader) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    path, data = reader.path, reader.data
    if data[: len(_LFS_POINTER)] == _LFS_POINTER:
        raise ModelInvalid(f"{path} is a Git LFS pointer, not the model; get the file itself with `git lfs pull`")
    if data[:4] != b"GGUF":
        raise ModelInvalid(f"{path} is no GGUF file (it does not begin with GGUF)")
    reader.at = 4
    version = reader.number("<I")
    if version & 0xFFFF == 0:
        raise ModelInvalid(f"{path} is a GGUF for big-endian machines; get the ordinary one")
    if version not in (2, 3):
        raise ModelInvalid(f"{path} is a GGUF of version {version}; versions 2 and 3 can be read")
    n_tensors = reader.count(24)  # name's length 8, axes 4, type 4, offset 8
    n_metadata = reader.count(13)  # key's length 8, type 4, value 1
    return version, n_tensors, n_metadata


def _value(reader: _Reader, kind: int) -> Value:
    if kind == _STRING:
        return reader.text()
    if kind in _SCALARS:
        return reader.scalar(_SCALARS[kind])
    if kind != _ARRAY:
        raise reader.damaged(f"there is no value type {kind}")
    element = reader.number("<I")
    if element == _STRING:
        found = ArrayInFile(element, reader.count(8), reader.at)
        reader.skip_strings(found.count)
        return found
    if element not in _SCALARS:
        raise reader.damaged(f"an array has elements of type {element}")
    code = _SCALARS[element]
    count = reader.count(struct.calcsize(code))
    if count <= _KEPT_ARRAY:
        return tuple(reader.scalar(code) for _ in range(count))
    found = ArrayInFile(element, count, reader.at)
    reader.at += count * struct.calcsize(code)
    return found


def _tensor(reader: _Reader) -> Tensor:
    name = reader.text()
    n_axes = reader.number("<I")
    if not 1 <= n_axes <= 4:
        raise reader.damaged(f"tensor {name!r} has {n_axes} axes, and there are 1 to 4")
    shape = tuple(reader.number("<Q") for _ in range(n_axes))
    kind = reader.number("<I")
    offset = reader.number("<Q")
    if kind not in TENSOR_TYPES:
        raise ModelUnsupported(
            f"{reader.path} has tensors of type {kind} ({name!r}), which this version does not know; "
            "update dsassist, or take another quantisation of the model"
        )
    type_name, block, size = TENSOR_TYPES[kind]
    if shape[0] % block:
        raise reader.damaged(f"tensor {name!r} has rows of {shape[0]}, and {type_name} comes in blocks of {block}")
    return Tensor(name, shape, kind, offset, math.prod(shape) // block * size)


def _check_whole(header: GgufHeader) -> None:
    for tensor in header.tensors:
        end = header.data_offset + tensor.offset + tensor.n_bytes
        if end > header.file_bytes:
            raise ModelInvalid(
                f"{header.path} is truncated: tensor {tensor.name} ends at byte {end}, "
                f"but the file has {header.file_bytes} bytes; pull it again"
            )
