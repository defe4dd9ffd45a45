"""The least-squares correction finds what is there to find, and leaves alone what it cannot mend."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_train.carving.correcting import corrected_down  # noqa: E402


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_what_the_neurons_tell_of_the_missing_part_is_found() -> None:
    given, wanted = draw(4000, 12, seed=1), draw(5, 12, seed=2)
    missing = given @ wanted.T + 0.1 * draw(4000, 5, seed=3)
    change = corrected_down(given, missing, torch.ones(4000))
    assert torch.allclose(change, wanted, atol=0.02)


def test_noise_is_not_corrected() -> None:
    """Fitted freely, 200 neurons would explain half of 400 tokens, and make others worse."""
    change = corrected_down(draw(400, 200, seed=1), draw(400, 5, seed=2), torch.ones(400))
    assert change.square().sum() < 0.05


def test_tokens_count_by_their_weights() -> None:
    given = draw(4000, 6, seed=1)
    sign = torch.ones(4000)
    sign[::2] = -1  # every other token wants the opposite
    weights = torch.where(sign > 0, 1.0, 1e-4)
    change = corrected_down(given, sign[:, None] * given, weights)
    assert torch.allclose(change, torch.eye(6), atol=0.02)


def test_neurons_that_never_fire_change_nothing() -> None:
    assert not corrected_down(torch.zeros(100, 4), torch.ones(100, 3), torch.ones(100)).any()
