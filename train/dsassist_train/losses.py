"""The loss of the next token, with and without logits of a whole batch in memory; alone, or beside a teacher's.

`cross_entropy` is the plain form. `chunked_cross_entropy` makes logits, loss and gradients a chunk at a time in the
forward pass, so that no more than a chunk's logits exist at once (of 8,192 tokens and a vocabulary of 16,384 all would
be 268 MB in bfloat16), and the backward pass has only to scale what is there.

A teacher tells the K likeliest tokens with their log-probabilities p, and all others are one class, the rest. Its part
of the loss is - sum over K of p log q - p_rest log q_rest, where q are the model's: the Kullback-Leibler divergence of
these K + 1 classes, up to what the model has no part in. Half of the loss is of what stands there, half the teacher's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

__all__ = ["Taught", "chunk_size", "chunked_cross_entropy", "cross_entropy"]

_CHUNK_BYTES = 16 << 20  # logits that fit a processor's cache
_CHUNK_BYTES_GPU = 1 << 30
_TEACHER_SHARE = 0.5
_LEAST = 1e-6  # of a probability of the rest, in bfloat16 not more than noise


class Taught(NamedTuple):
    """What a teacher says of the next token: K different ids `(N, K)` int64, and log-probabilities `(N, K)` float32."""

    ids: Tensor
    logprobs: Tensor


def cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, counted: Tensor, taught: Taught | None = None
) -> Tensor:
    """The mean negative log-probability, in nats, of the `counted` targets.

    hidden `(N, H)`, weight `(vocabulary, H)`, targets `(N,)` int64, counted `(N,)` bool.
    """
    log_q = functional.linear(hidden, weight.to(hidden.dtype)).float().log_softmax(-1)
    losses = functional.nll_loss(log_q, targets, reduction="none")
    if taught is not None:
        of_teacher = log_q.gather(1, taught.ids)  # (N, K)
        p, q = taught.logprobs.exp(), of_teacher.exp()
        p_rest, q_rest = ((1 - each.sum(1)).clamp(min=_LEAST) for each in (p, q))
        from_teacher = -(p * of_teacher).sum(1) - p_rest * q_rest.log()
        losses = (1 - _TEACHER_SHARE) * losses + _TEACHER_SHARE * from_teacher
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def chunked_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, counted: Tensor, taught: Taught | None = None
) -> Tensor:
    """The same; with bfloat16 its logits are rounded to that."""
    ids, logprobs = taught if taught is not None else (None, None)
    return _ChunkedCrossEntropy.apply(hidden, weight.to(hidden.dtype), targets, counted, ids, logprobs)


def chunk_size(weight: Tensor) -> int:
    """Of how many tokens the logits are made at once; weight `(vocabulary, H)`."""
    budget = _CHUNK_BYTES if weight.device.type == "cpu" else _CHUNK_BYTES_GPU
    size: int = budget // (weight.shape[0] * weight.element_size()) // 64 * 64
    return max(size, 64)


class _ChunkedCrossEntropy(Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        counted: Tensor,
        ids: Tensor | None,
        logprobs: Tensor | None,
    ) -> Tensor:
        chunk = chunk_size(weight)
        scale = counted / counted.sum().clamp(min=1)  # (N,) float32
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
        total = torch.zeros((), device=hidden.device)
        for start in range(0, hidden.shape[0], chunk):
            part = slice(start, start + chunk)
            log_q = functional.linear(hidden[part], weight).log_softmax(dim=-1)  # (chunk, vocabulary)
            of_target = log_q.gather(1, targets[part, None]).float()
            if ids is None or logprobs is None:
                losses = -of_target[:, 0]
                grad = log_q.exp_()
                grad.scatter_(1, targets[part, None], torch.expm1(of_target).to(grad.dtype))  # q - 1, exact near 1
            else:
                losses, grad = _of_teacher(log_q, of_target, targets[part, None], ids[part], logprobs[part])
            total += (losses * scale[part]).sum()
            grad.mul_(scale[part, None].to(grad.dtype))
            grad_hidden[part] = grad @ weight
            grad_weight += grad.T @ hidden[part]
        ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return (
            grad_hidden * grad.to(grad_hidden.dtype),
            grad_weight * grad.to(grad_weight.dtype),
            None,
            None,
            None,
            None,
        )


def _of_teacher(
    log_q: Tensor, of_target: Tensor, targets: Tensor, ids: Tensor, logprobs: Tensor
) -> tuple[Tensor, Tensor]:
    """Losses `(chunk,)` and gradients of the logits, which take the place of `log_q`.

    The gradient is q less what q should be: of the K tokens p, of the rest their present shares of p_rest, and of the
    target 1 in the half that it decides.
    """
    of_teacher = log_q.gather(1, ids).float()
    p, q = logprobs.exp(), of_teacher.exp()
    p_rest, q_rest = ((1 - each.sum(1, keepdim=True)).clamp(min=_LEAST) for each in (p, q))
    losses = -(p * of_teacher).sum(1) - (p_rest * q_rest.log())[:, 0]
    grad = log_q.exp_()
    grad.mul_((1 - _TEACHER_SHARE * p_rest / q_rest).to(grad.dtype))
    grad.scatter_(1, ids, (q - _TEACHER_SHARE * p).to(grad.dtype))
    grad.scatter_add_(1, targets, torch.full_like(of_target, _TEACHER_SHARE - 1).to(grad.dtype))
    return (_TEACHER_SHARE - 1) * of_target[:, 0] + _TEACHER_SHARE * losses, grad
