"""Muon for the matrices of the layers, AdamW for the embedding, the gates, the norms, and low-rank factors (`lora`).

Muon (https://kellerjordan.github.io/posts/muon) makes each update of a matrix nearly orthogonal by five steps of a
Newton-Schulz iteration. All matrices of one shape, experts included, take them together as one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dsassist_train.architecture import Transformer
from dsassist_train.settings import TrainingSettings

__all__ = ["Optimizer", "orthogonalized"]

_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
_BATCH_BYTES = 64 << 20  # matrices that are orthogonalized at once


class Optimizer:
    """Both, over the weights of one model."""

    def __init__(self, model: Transformer, settings: TrainingSettings) -> None:
        self._settings = settings
        self._dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
        self._matrices: dict[str, nn.Parameter] = {}
        others = []
        for name, weight in model.named_parameters():
            if not weight.requires_grad:
                continue
            is_other = name.endswith("mlp.gate.weight") or name.startswith(("embed_tokens", "lm_head"))
            if weight.dim() < 2 or is_other or "parametrizations" in name:
                others.append(weight)
            else:
                self._matrices[name] = weight
        self._momenta = {name: torch.zeros_like(weight) for name, weight in self._matrices.items()}
        self._adamw = torch.optim.AdamW(others, lr=settings.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    def step(self, rate: float) -> None:
        """Move all weights along their gradients; `rate` is the factor of both learning rates."""
        for group in self._adamw.param_groups:
            group["lr"] = self._settings.adamw_lr * rate
        self._adamw.step()
        with torch.no_grad():
            self._step_matrices(self._settings.muon_lr * rate)

    def _step_matrices(self, rate: float) -> None:
        for names in self._same_shapes():
            updates = []
            for name in names:
                gradient, momentum = self._matrices[name].grad, self._momenta[name]
                momentum.lerp_(gradient, 1 - _MOMENTUM)
                updates.append(_by_matrix(name, gradient.lerp(momentum, _MOMENTUM)).to(self._dtype))
            moved = orthogonalized(torch.cat(updates)).split([len(update) for update in updates])
            for name, update in zip(names, moved, strict=True):
                weight = self._matrices[name]
                rows, columns = update.shape[1:]
                weight.mul_(1 - rate * self._settings.weight_decay)
                weight.sub_(update.reshape(weight.shape), alpha=rate * max(1.0, rows / columns) ** 0.5)

    def _same_shapes(self) -> Iterator[list[str]]:
        by_shape: dict[tuple[int, ...], list[str]] = {}
        for name, weight in self._matrices.items():
            by_shape.setdefault(tuple(_by_matrix(name, weight).shape[1:]), []).append(name)
        for names in by_shape.values():
            batch: list[str] = []
            for name in names:
                batch.append(name)
                if sum(self._matrices[each].numel() for each in batch) * 2 > _BATCH_BYTES:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on exactly."""
        return {"momenta": self._momenta, "adamw": self._adamw.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        for name, momentum in self._momenta.items():
            momentum.copy_(state["momenta"][name])
        self._adamw.load_state_dict(state["adamw"])


def _by_matrix(name: str, weight: Tensor) -> Tensor:
    """A weight as the matrices that it consists of, `(n, rows, columns)`: experts, and the gate apart from the up."""
    halves = 2 if "gate_up_proj" in name else 1
    return weight.reshape(-1, weight.shape[-2] // halves, weight.shape[-1])


def orthogonalized(matrices: Tensor) -> Tensor:
    """`(n, rows, columns)` with the singular values of each brought near 1 (between about 0.7 and 1.2)."""
    a, b, c = _QUINTIC
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if is_tall else matrices
    x = x / (torch.linalg.matrix_norm(x.float(), keepdim=True).to(x.dtype) + 1e-7)
    for _ in range(_ITERATIONS):
        square = torch.bmm(x, x.transpose(1, 2))  # (n, short, short)
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.transpose(1, 2) if is_tall else x
