"""The GGUF reader: what it reads, and what it says of files that are none."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_runtime.gguf import ArrayInFile, FimTokens, fim_orders, fim_tokens, read_header
from dsassist_runtime.models.store import BUILTIN_PATH
from gguf_files import gguf_bytes, small_model, write

TOKENS = ["a", "<｜fim▁begin｜>", "b", "<｜fim▁end｜>", "<｜fim▁hole｜>"]


def test_reads_metadata_and_tensors(tmp_path: Path) -> None:
    content = gguf_bytes(
        {
            "general.architecture": "llama",
            "llama.block_count": 3,
            "llama.rope.freq_base": 0.5,
            "tokenizer.ggml.add_bos_token": True,
            "llama.attention.head_count_kv": [4, 0, 2],
            "tokenizer.ggml.tokens": TOKENS,
        },
        {"first": (0, (8, 2), 64), "second": (8, (64, 3), 204)},
    )
    header = read_header(write(tmp_path / "m.gguf", content))
    assert header.version == 3
    assert header.architecture == "llama"
    assert header.integer("{arch}.block_count") == 3
    assert header.metadata["llama.rope.freq_base"] == 0.5
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert header.metadata["llama.attention.head_count_kv"] == (4, 0, 2)
    assert header.length("tokenizer.ggml.tokens") == 5
    assert [raw.decode() for raw in header.strings("tokenizer.ggml.tokens")] == TOKENS
    assert [tensor.n_bytes for tensor in header.tensors] == [64, 204]
    assert header.data_offset + header.tensors[1].offset + 204 <= header.file_bytes == len(content)


def test_long_arrays_stay_in_the_file(tmp_path: Path) -> None:
    content = gguf_bytes({"scores": [0.5] * 5000, "after": 7}, {})
    header = read_header(write(tmp_path / "m.gguf", content))
    scores = header.metadata["scores"]
    assert isinstance(scores, ArrayInFile)
    assert scores.count == 5000
    assert header.integer("after") == 7


def test_builtin_is_whole_and_prefers_the_order_it_declares() -> None:
    header = read_header(BUILTIN_PATH)
    last = max(header.tensors, key=lambda tensor: tensor.offset)
    assert header.data_offset + last.offset + last.n_bytes == header.file_bytes
    assert fim_orders(header)[0] == "spm"


def test_fim_tokens_are_found_by_their_texts(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "m.gguf", gguf_bytes({"tokenizer.ggml.tokens": TOKENS}, {})))
    assert fim_tokens(header) == FimTokens(prefix=1, suffix=4, middle=3)
    assert fim_orders(header) == ("psm",)


def test_declared_fim_tokens_come_before_texts(tmp_path: Path) -> None:
    metadata = {"tokenizer.ggml.tokens": TOKENS, "tokenizer.ggml.fim_pre_token_id": 0}
    header = read_header(write(tmp_path / "m.gguf", gguf_bytes(dict(metadata), {})))
    assert fim_tokens(header) == FimTokens(prefix=0, suffix=4, middle=3)


def test_an_order_without_tokens_is_no_order(tmp_path: Path) -> None:
    content = gguf_bytes({"dsassist.fim.order": "spm,psm", "tokenizer.ggml.tokens": TOKENS[:3]}, {})
    header = read_header(write(tmp_path / "m.gguf", content))
    assert fim_tokens(header) is None
    assert fim_orders(header) == ()


def test_a_vocabulary_of_150000_is_skipped_in_a_moment(tmp_path: Path) -> None:
    content = gguf_bytes({"tokenizer.ggml.tokens": [f"token {n}" for n in range(150_000)]}, {})
    path = write(tmp_path / "m.gguf", content)
    start = time.process_time()
    assert read_header(path).length("tokenizer.ggml.tokens") == 150_000
    assert time.process_time() - start < 0.5


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"no file .*none\.gguf"):
        read_header(tmp_path / "none.gguf")


def test_a_directory_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(ModelInvalid, match="is a directory"):
        read_header(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(ModelInvalid, match="no regular file"):
        read_header(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 something else entirely", "is no GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF\x03", "truncated: its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**62), "truncated: its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "truncated: its header"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63) + bytes(64), "truncated: its header"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77) + bytes(64), "no value type 77"),
        (
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQQ", 9, 8, 2, 2**64 - 8) + bytes(64),
            "truncated: its header",
        ),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1) + bytes(64), "type 9"),
    ],
    ids=[
        "empty",
        "zip",
        "lfs",
        "v1",
        "big-endian",
        "cut",
        "kv-count",
        "tensor-count",
        "key-length",
        "value-type",
        "string-length",
        "nested",
    ],
)
def test_what_is_no_model_is_said_in_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ModelInvalid, match=message) as caught:
        read_header(write(tmp_path / "m.gguf", content))
    assert str(tmp_path / "m.gguf") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tensor_without_axes_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", gguf_bytes({"general.architecture": "qwen2"}, {"token_embd.weight": (0, (), 4)}))
    with pytest.raises(ModelInvalid, match=r"tensor 'token_embd\.weight' has 0 axes, and there are 1 to 4"):
        read_header(path)


def test_a_truncated_model_is_told_with_tensor_and_sizes(tmp_path: Path) -> None:
    content = small_model(1 << 16)
    path = write(tmp_path / "m.gguf", content[:-1000])
    with pytest.raises(
        ModelInvalid, match=rf"tensor token_embd.weight ends at byte {len(content)}.*{len(content) - 1000}"
    ):
        read_header(path)


def test_every_cut_of_a_header_is_an_error_of_ours(tmp_path: Path) -> None:
    content = gguf_bytes({"general.architecture": "llama", "tokens": ["a", "bc"]}, {"t": (0, (8,), 32)})
    path = tmp_path / "m.gguf"
    for size in range(len(content)):
        with pytest.raises(ModelInvalid):
            read_header(write(path, content[:size]))


def test_any_changed_byte_of_a_header_is_read_or_refused_cleanly(tmp_path: Path) -> None:
    content = gguf_bytes({"general.alignment": 32, "tokens": ["a", "bc"], "n": [1, 2]}, {"t": (8, (64,), 68)})
    path = tmp_path / "m.gguf"
    outcomes = set()
    for at in range(len(content) - 96):
        for value in (0, 255):
            try:
                read_header(write(path, content[:at] + bytes([value]) + content[at + 1 :]))
                outcomes.add("read")
            except DsassistError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_an_unknown_tensor_type_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="type 99"):
        read_header(write(tmp_path / "m.gguf", gguf_bytes({}, {"t": (99, (8,), 32)})))
