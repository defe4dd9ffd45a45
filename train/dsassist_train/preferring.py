"""Learning which of two texts was written: functions as trees, with a branch for each bug (`packing.bugs`).

The loss of a bug is that of Bradley and Terry, as in DPO (arXiv 2305.18290) without a reference model:
- log sigmoid(evidence), with the evidence that the review measures (`dsassist.review.likelihood.evidence`) for what was
written against the bug, but without that measure's floor, below which nothing could be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from dsassist_train.architecture import Operations, Routing, Transformer, Tree
from dsassist_train.losses import chunk_size
from dsassist_train.packing.bugs import BugPlace, BugRow

__all__ = ["BUG_WEIGHT", "Preferred", "evidence", "prefer", "token_logprobs", "tree_of"]

BUG_WEIGHT = 0.2
"""Of the mean loss of a bug beside that of a token. Its gradient is six times as long (builtin model, 30 bugs, 1,400
tokens), and that of so few bugs is mostly noise: with a weight of 1 and a new model's rates the text was unlearnt."""


class Preferred(NamedTuple):
    """Of some rows: the summed losses of the text, in nats, and of the bugs, and how many bugs are the less likely."""

    of_text: Tensor
    of_bugs: Tensor
    n_preferred: int
    routing: list[Routing]


def prefer(model: Transformer, rows: Sequence[BugRow], dtype: torch.dtype, operations: Operations) -> Preferred:
    """What one pass over the rows gives, on the model's device; the losses can be differentiated."""
    device = model.output_weight.device
    parents = np.stack([row.parents for row in rows])  # (B, T)
    tokens = torch.from_numpy(np.stack([row.tokens for row in rows])).to(device, torch.int64)
    output = model(tokens, dtype=dtype, operations=operations, tree=tree_of(parents, device))
    told = torch.from_numpy(parents >= 0).to(device)
    behind = output.hidden.flatten(0, 1)[torch.from_numpy(_flat(parents)).to(device)]  # (foretold tokens, H)
    logprobs = torch.zeros(tokens.shape, device=device)
    logprobs[told] = token_logprobs(behind, model.output_weight, tokens[told])
    mask = torch.from_numpy(np.stack([row.mask for row in rows])).to(device)
    nats = torch.stack([evidence(logprobs[i], bug) for i, row in enumerate(rows) for bug in row.bugs])
    return Preferred(-(logprobs * mask).sum(), functional.softplus(-nats).sum(), int((nats > 0).sum()), output.routing)


def tree_of(parents: np.ndarray[Any, np.dtype[np.int32]], device: torch.device) -> Tree:
    """What tokens with these parents `(B, T)` see of each other; one without a parent begins a text."""
    n_rows, n_tokens = parents.shape
    sees = np.zeros((n_rows, n_tokens, n_tokens), dtype=np.bool_)
    positions = np.zeros((n_rows, n_tokens), dtype=np.int64)
    for row in range(n_rows):
        for token, parent in enumerate(parents[row].tolist()):
            if parent >= 0:
                sees[row, token] = sees[row, parent]
                positions[row, token] = positions[row, parent] + 1
            sees[row, token, token] = True
    mask = torch.zeros(sees.shape).masked_fill_(torch.from_numpy(~sees), -torch.inf)
    return Tree(torch.from_numpy(positions).to(device), mask.to(device))


def evidence(logprobs: Tensor, bug: BugPlace) -> Tensor:
    """How much likelier what was written makes the text, in nats, by the log-probabilities `(T,)` of a row's tokens."""
    written = logprobs[bug.written : bug.written + bug.n_written]
    branch = logprobs[bug.branch : bug.branch + bug.n_branch]
    behind_written, behind_branch = (
        logprobs[start : start + bug.n_behind].sum()
        for start in (bug.written + bug.n_written, bug.branch + bug.n_branch)
    )
    site = written.sum() - branch.sum()
    if bug.only:
        shared = min(bug.n_written, bug.n_branch)
        site = torch.minimum(written[-shared:].sum() - branch[-shared:].sum(), site)
    return site + behind_written - behind_branch


def token_logprobs(hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int | None = None) -> Tensor:
    """Log p of `targets` `(N,)` int64 behind hidden states `(N, H)`, `(N,)` float32; weight `(vocabulary, H)`.

    The logits of `chunk` tokens exist at once (by default as many as in the other losses), and the way back makes them
    anew.
    """
    weight = weight.to(hidden.dtype)
    found: Tensor = _TokenLogprobs.apply(hidden, weight, targets, chunk or chunk_size(weight))
    return found


class _TokenLogprobs(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        ctx.save_for_backward(hidden, weight, targets)
        ctx.chunk = chunk
        parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
        # Some forty of them are added up, so they are not rounded to the dtype of the states.
        return torch.cat(
            [functional.linear(h, weight).float().log_softmax(-1).gather(1, t[:, None])[:, 0] for h, t in parts]
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        hidden, weight, targets = ctx.saved_tensors
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
        learns_weight = ctx.needs_input_grad[1]
        for start in range(0, len(hidden), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            # Of log p(target) the gradient is 1 at the target, less p.
            of_logits = functional.linear(hidden[part], weight).softmax(-1).neg_()
            of_logits.scatter_add_(1, targets[part, None], torch.ones_like(of_logits[:, :1]))
            of_logits.mul_(grad[part, None].to(of_logits.dtype))
            grad_hidden[part] = of_logits @ weight
            if learns_weight:
                grad_weight += of_logits.T @ hidden[part]
        return grad_hidden, grad_weight.to(weight.dtype) if learns_weight else None, None, None


def _flat(parents: np.ndarray[Any, np.dtype[np.int32]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Of all tokens with a parent, in order, where it stands when the rows are put behind each other."""
    n_rows, n_tokens = parents.shape
    flat = parents.astype(np.int64) + n_tokens * np.arange(n_rows)[:, None]
    found: np.ndarray[Any, np.dtype[np.int64]] = flat[parents >= 0]
    return found
