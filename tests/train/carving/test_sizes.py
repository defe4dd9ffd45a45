"""How a layer is split where nobody says it, and what cannot be split."""

from __future__ import annotations

import pytest

from dsassist_runtime.errors import DsassistError
from dsassist_train.carving.sizes import split_sizes


@pytest.mark.parametrize(
    ("n_ff", "sizes"),
    [
        (4864, (16, 256, 768)),  # Qwen2.5 0.5B
        (8960, (28, 256, 1792)),  # 1.5B
        (18944, (64, 256, 2560)),  # 7B
        (8192, (28, 256, 1024)),  # Llama 3.2 1B
        (14336, (48, 256, 2048)),  # Mistral 7B
        (1056, (28, 32, 160)),
    ],
)
def test_without_options_experts_suit_the_quantizer(n_ff: int, sizes: tuple[int, int, int]) -> None:
    assert split_sizes(n_ff) == sizes
    assert sizes[0] * sizes[1] + sizes[2] == n_ff
    assert sizes[0] % 4 == 0


@pytest.mark.parametrize(
    ("n_experts", "n_shared", "sizes"),
    [(64, None, (64, 128, 768)), (32, 3, (32, 256, 768)), (None, 0, (35, 256, 0)), (None, 5, (30, 256, 1280))],
)
def test_options_are_obeyed(n_experts: int | None, n_shared: int | None, sizes: tuple[int, int, int]) -> None:
    assert split_sizes(8960, n_experts, n_shared) == sizes


@pytest.mark.parametrize(("n_experts", "n_shared"), [(5, 5), (1000, None), (None, 40), (70, 1)])
def test_what_does_not_divide_is_told_with_what_does(n_experts: int | None, n_shared: int | None) -> None:
    with pytest.raises(DsassistError, match=r"layers of 4864 neurons .* together: 1, 2, 4, 8, 19, 38, 76, 152$"):
        split_sizes(4864, n_experts, n_shared)


def test_a_layer_without_blocks_of_32_is_told() -> None:
    with pytest.raises(DsassistError, match="can make together: nothing"):
        split_sizes(100)
