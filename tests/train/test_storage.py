"""ggml's storage types, to and fro."""

from __future__ import annotations

import numpy as np
import pytest

from dsassist_train.storage import TYPE_NUMBERS, dequantized, fitting_type, quantized


@pytest.mark.parametrize(
    ("name", "off"),
    [("F32", 0), ("F16", 1e-3), ("Q8_0", 0.01), ("Q6_K", 0.03), ("Q5_0", 0.06), ("Q4_K", 0.1), ("Q4_0", 0.12)],
)
def test_numbers_survive_as_far_as_the_type_allows(name: str, off: float) -> None:
    values = np.random.default_rng(1).normal(size=(3, 4, 512)).astype(np.float32)
    raw = quantized(values, TYPE_NUMBERS[name])
    again = dequantized(raw, TYPE_NUMBERS[name])
    assert again.shape == values.shape
    assert np.linalg.norm(again - values) <= off * np.linalg.norm(values)
    assert np.array_equal(dequantized(raw[1, ::2], TYPE_NUMBERS[name]), again[1, ::2]), "rows stand for themselves"


def test_important_columns_are_the_more_exact() -> None:
    values = np.random.default_rng(2).normal(size=(64, 256)).astype(np.float32)
    importance = np.where(np.arange(256) % 8 == 0, 100, 0.01).astype(np.float32)

    def off(raw: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
        return float(((dequantized(raw, TYPE_NUMBERS["Q4_K"]) - values) ** 2 * importance).sum())

    assert off(quantized(values, TYPE_NUMBERS["Q4_K"], importance)) < 0.8 * off(quantized(values, TYPE_NUMBERS["Q4_K"]))


def test_rows_that_a_type_does_not_fit_get_one_that_does() -> None:
    assert fitting_type("Q4_K", 512) == "Q4_K"
    assert fitting_type("Q4_K", 96) == "Q5_0"
    assert fitting_type("Q6_K", 96) == "Q8_0"
    assert fitting_type("Q4_K", 40) == "F16"
    assert fitting_type("F32", 40) == "F32"
