"""The loss of the next token, with and without logits of a whole batch in memory.

`cross_entropy` is the plain form. `chunked_cross_entropy` makes logits, loss and gradients a chunk at a time in the
forward pass, so that no more than a chunk's logits exist at once (of 8,192 tokens and a vocabulary of 16,384 all would
be 268 MB in bfloat16), and the backward pass has only to scale what is there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

__all__ = ["chunked_cross_entropy", "cross_entropy"]

_CHUNK_BYTES = 16 << 20  # logits that fit a processor's cache
_CHUNK_BYTES_GPU = 1 << 30


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """The mean negative log-probability, in nats, of the `counted` targets.

    hidden `(N, H)`, weight `(vocabulary, H)`, targets `(N,)` int64, counted `(N,)` bool.
    """
    logits = functional.linear(hidden, weight.to(hidden.dtype)).float()
    losses = functional.cross_entropy(logits, targets, reduction="none")
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def chunked_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """The same; with bfloat16 its logits are rounded to that."""
    return _ChunkedCrossEntropy.apply(hidden, weight.to(hidden.dtype), targets, counted)


class _ChunkedCrossEntropy(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
        budget = _CHUNK_BYTES if hidden.device.type == "cpu" else _CHUNK_BYTES_GPU
        chunk = max(budget // (weight.shape[0] * weight.element_size()) // 64 * 64, 64)
        scale = counted / counted.sum().clamp(min=1)  # (N,) float32
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
        total = torch.zeros((), device=hidden.device)
        for start in range(0, hidden.shape[0], chunk):
            part = slice(start, start + chunk)
            log_p = functional.linear(hidden[part], weight).log_softmax(dim=-1)  # (chunk, vocabulary)
            of_target = log_p.gather(1, targets[part, None]).float()
            total -= (of_target[:, 0] * scale[part]).sum()
            grad = log_p.exp_()
            grad.scatter_(1, targets[part, None], torch.expm1(of_target).to(grad.dtype))  # p - 1, exact near 1
            grad.mul_(scale[part, None].to(grad.dtype))
            grad_hidden[part] = grad @ weight
            grad_weight += grad.T @ hidden[part]
        ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad.to(grad_hidden.dtype), grad_weight * grad.to(grad_weight.dtype), None, None
