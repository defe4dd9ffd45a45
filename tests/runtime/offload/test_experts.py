from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from dsassist_runtime.errors import ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_runtime.offload.experts import ByteRange, Experts, find_experts
from gguf_files import Field, gguf_bytes, write

MIXTURE: dict[str, Field] = {"general.architecture": "some", "some.expert_used_count": 2}
_F32 = 0


def tensors(names: list[str], n_experts: int = 4) -> dict[str, tuple[int, tuple[int, ...], int]]:
    return dict.fromkeys(names, (_F32, (8, 4, n_experts), 8 * 4 * n_experts * 4))


def content(experts: Experts, source: ByteRange) -> bytes:
    with experts.paths[source.file].open("rb") as file:
        file.seek(source.offset)
        return file.read(source.n_bytes)


def test_experts_of_a_layer_fill_its_tensors_without_a_gap(mixture: Path) -> None:
    experts = find_experts(mixture)
    by_name = {tensor.name: tensor for tensor in experts.headers[0].tensors}
    for tensor in experts.tensors:
        slices = [tensor.slice(expert) for expert in range(tensor.n_experts)]
        start = experts.headers[0].data_offset + by_name[tensor.name].offset
        assert slices[0].offset == start
        assert slices[-1].offset + slices[-1].n_bytes == start + by_name[tensor.name].n_bytes
        for one, following in itertools.pairwise(slices):
            assert one.offset + one.n_bytes == following.offset


def test_layers_with_experts_and_their_number_are_those_of_the_builtin_model(builtin_model: Path) -> None:
    experts = find_experts(builtin_model)
    assert list(experts.by_layer) == [1, 2, 3, 4, 5]
    assert experts.n_used == 2
    assert {tensor.n_experts for tensor in experts.tensors} == {16}
    assert [tensor.projection for tensor in experts.by_layer[3]] == ["up", "gate", "down"]
    assert len(experts.slices(3, 15)) == 3
    with pytest.raises(AssertionError, match="has 16 experts, and not 16"):
        experts.slices(3, 16)


@pytest.mark.parametrize("n_files", [2, 3])
def test_split_model_has_the_same_experts_in_several_files(
    mixture: Path, split: Callable[[Path, int], Path], n_files: int
) -> None:
    whole, parts = find_experts(mixture), find_experts(split(mixture, n_files))
    assert len(parts.paths) == n_files
    assert len({tensor.file for tensor in parts.tensors}) > 1
    assert parts.n_used == whole.n_used
    for layer, own in whole.by_layer.items():
        for expert in range(own[0].n_experts):
            expected = [content(whole, source) for source in whole.slices(layer, expert)]
            assert [content(parts, source) for source in parts.slices(layer, expert)] == expected


def test_merged_gate_and_up_is_one_slice(tmp_path: Path) -> None:
    names = [f"blk.{layer}.ffn_{part}_exps.weight" for layer in (1, 11) for part in ("down", "gate_up")]
    experts = find_experts(write(tmp_path / "m.gguf", gguf_bytes(MIXTURE, tensors(names))))
    assert list(experts.by_layer) == [1, 11]
    assert [tensor.projection for tensor in experts.by_layer[11]] == ["gate_up", "down"]


def test_other_tensors_with_experts_in_their_names_are_left_alone(tmp_path: Path) -> None:
    names = ["blk.0.ffn_up_exps.weight", "blk.0.ffn_up_exps.bias", "blk.0.ffn_up_shexp.weight", "ffn_up_exps.weight"]
    experts = find_experts(write(tmp_path / "m.gguf", gguf_bytes(MIXTURE, tensors(names))))
    assert [tensor.name for tensor in experts.tensors] == ["blk.0.ffn_up_exps.weight"]
    assert not experts.without(["blk.0.ffn_up_exps.weight"]).tensors


def test_number_of_experts_used_may_differ_between_layers(tmp_path: Path) -> None:
    metadata: dict[str, Field] = {"general.architecture": "some", "some.expert_used_count": [2, 0, 3]}
    model = write(tmp_path / "m.gguf", gguf_bytes(metadata, tensors(["blk.0.ffn_up_exps.weight"])))
    assert find_experts(model).n_used == 3


def test_dense_model_has_nothing_that_could_wait_on_disk(tmp_path: Path) -> None:
    model = write(tmp_path / "dense.gguf", gguf_bytes(MIXTURE, tensors(["blk.0.ffn_up.weight"])))
    with pytest.raises(ModelUnsupported, match=r"dense\.gguf has no merged experts, so nothing of it can wait on disk"):
        find_experts(model)


def test_missing_part_of_a_split_model_is_named(synthetic: Path, split: Callable[[Path, int], Path]) -> None:
    first = split(synthetic, 3)
    second = first.with_name("model-00002-of-00003.gguf")
    with pytest.raises(ModelInvalid, match=r"is a later part of a split model; name its first file, .*00001-of-00003"):
        find_experts(second)
    second.unlink()
    with pytest.raises(ModelMissing, match="00002-of-00003"):
        find_experts(first)
    renamed = first.rename(first.with_name("model.gguf"))
    with pytest.raises(ModelInvalid, match=r"is one of 3 files, and must be named NAME-00001-of-00003\.gguf"):
        find_experts(renamed)


@pytest.mark.parametrize(
    ("metadata", "shapes", "words"),
    [
        ({}, {"gate": (8, 4, 4)}, "does not tell how many experts a token uses"),
        ({"some.expert_used_count": 0}, {"gate": (8, 4, 4)}, "does not tell how many experts a token uses"),
        ({"some.expert_used_count": 2}, {"gate": (8, 4)}, r"has the shape \(8, 4\), and must have three axes"),
        ({"some.expert_used_count": 2}, {"gate": (8, 4, 0)}, "must have three axes"),
        ({"some.expert_used_count": 2}, {"gate": (8, 4, 4), "up": (8, 4, 2)}, "do not have the same number of experts"),
    ],
)
def test_header_that_makes_no_sense_is_refused(
    tmp_path: Path, metadata: dict[str, Field], shapes: dict[str, tuple[int, ...]], words: str
) -> None:
    own = {f"blk.0.ffn_{part}_exps.weight": (_F32, shape, 4 * 8 * 4 * 4) for part, shape in shapes.items()}
    model = write(tmp_path / "odd.gguf", gguf_bytes({"general.architecture": "some", **metadata}, own))
    with pytest.raises(ModelInvalid, match=words):
        find_experts(model)
