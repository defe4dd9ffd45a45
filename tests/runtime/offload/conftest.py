"""Small mixtures of experts, and the numbers that they compute."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.context import BatchToken, Context

Logits = npt.NDArray[np.float32]
Evaluate = Callable[..., Logits]
Split = Callable[[Path, int], Path]


@pytest.fixture(params=["builtin", "synthetic"])
def mixture(request: pytest.FixtureRequest, builtin_model: Path, synthetic: Path) -> Path:
    """Q8_0 experts of a trained model, whose routing is its own, and the synthetic one."""
    return builtin_model if request.param == "builtin" else synthetic


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """The logits of a context: behind every token of a prompt, in batches, and of some that it writes itself."""

    def run(context: Context, tokens: list[int], *, batch: int, n_written: int = 0, sequence: int = 0) -> Logits:
        rows: list[Logits] = []
        for start in range(0, len(tokens), batch):
            part = tokens[start : start + batch]
            context.decode([BatchToken(token, start + i, sequence, True) for i, token in enumerate(part)])
            rows += [context.logits(i).copy() for i in range(len(part))]
        for position in range(len(tokens), len(tokens) + n_written):
            context.decode([BatchToken(int(rows[-1].argmax()), position, sequence, True)])
            rows.append(context.logits(0).copy())
        return np.stack(rows)

    return run


class Stored(NamedTuple):
    """A tensor as it is in a file."""

    name: str
    shape: tuple[int, ...]
    type: int
    content: bytes


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Writes a model again as so many files; gives the first."""

    def run(path: Path, n_files: int) -> Path:
        folder = tmp_path_factory.mktemp("split")
        n_metadata, metadata, tensors = _parts(path)
        per_file = -(-len(tensors) // n_files)
        for number in range(n_files):
            pairs = _pair("split.no", 2, struct.pack("<H", number)) + _pair(
                "split.count", 2, struct.pack("<H", n_files)
            )
            pairs += _pair("split.tensors.count", 5, struct.pack("<i", len(tensors)))
            own = tensors[number * per_file : (number + 1) * per_file]
            name = f"model-{number + 1:05}-of-{n_files:05}.gguf"
            if number == 0:
                _write(folder / name, n_metadata + 3, metadata + pairs, own)
            else:
                _write(folder / name, 3, pairs, own)
        return folder / f"model-00001-of-{n_files:05}.gguf"

    return run


@pytest.fixture(scope="session")
def fused(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic model with `gate` and `up` as one tensor: of each expert, the rows of the one and of the other."""
    n_metadata, metadata, tensors = _parts(synthetic)
    by_name = {tensor.name: tensor for tensor in tensors}
    merged = []
    for tensor in tensors:
        if "ffn_gate_exps" in tensor.name:
            up = by_name[tensor.name.replace("gate", "up")]
            width, rows, n_experts = tensor.shape
            size = len(up.content) // n_experts
            content = b"".join(
                part.content[expert * size : (expert + 1) * size]
                for expert in range(n_experts)
                for part in (tensor, up)
            )
            name = tensor.name.replace("gate", "gate_up")
            merged.append(Stored(name, (width, 2 * rows, n_experts), tensor.type, content))
        elif "ffn_up_exps" not in tensor.name:
            merged.append(tensor)
    path = tmp_path_factory.mktemp("fused") / "fused.gguf"
    _write(path, n_metadata, metadata, merged)
    return path


def _parts(path: Path) -> tuple[int, bytes, list[Stored]]:
    """The number of metadata pairs, those pairs as they are written, and the tensors."""
    header, content = read_header(path), path.read_bytes()
    first = header.tensors[0].name.encode()
    metadata = content[24 : content.index(struct.pack("<Q", len(first)) + first)]
    tensors = []
    for tensor in header.tensors:
        start = header.data_offset + tensor.offset
        tensors.append(Stored(tensor.name, tensor.shape, tensor.type, content[start : start + tensor.n_bytes]))
    return len(header.metadata), metadata, tensors


def _write(path: Path, n_pairs: int, pairs: bytes, tensors: list[Stored]) -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), n_pairs) + pairs
    data = b""
    for name, shape, kind, content in tensors:
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += content + bytes(-len(content) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()
