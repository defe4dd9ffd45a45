"""The training loop: batches in, checkpoints out, and the same result however often it was interrupted."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.models.writing import sha256_of
from dsassist_train.architecture import ModelConfig, Routing, Transformer, balance_loss, initialize, loads
from dsassist_train.checkpoint import LAST, STABLE, Checkpoint, save_checkpoint
from dsassist_train.fused import operations_for
from dsassist_train.lessons import Lesson, Lessons
from dsassist_train.losses import Taught, chunked_cross_entropy
from dsassist_train.optimizers import Optimizer
from dsassist_train.packing import LEAST_LENGTH, BugRow, Packed, bug_rows, next_group, sequences
from dsassist_train.preferring import BUG_WEIGHT, prefer
from dsassist_train.settings import TrainingSettings

__all__ = [
    "Diverged",
    "StepResult",
    "Trainer",
    "check_lengths",
    "check_same_run",
    "config_from_file",
    "corpus_fingerprint",
    "fit",
]

_MOST_GRADIENT = 1.0


class Diverged(NotDone):
    """The loss or a gradient is no number any more."""


class StepResult(NamedTuple):
    """What a step gave; `imbalance` is the busiest expert's load over the even load, in the worst layer.

    `loss` is of all text, that of functions with bugs too; of their bugs, `preferred` are found less likely than what
    was written, None where there are none.
    """

    step: int
    tokens: int
    loss: float
    imbalance: float
    rate: float
    length: int
    preferred: float | None = None


class _Batch(NamedTuple):
    """Tokens `(B, length + 1)` int64, which of the last `length` count `(B, length)`, and what a teacher says there."""

    tokens: Tensor
    counted: Tensor
    taught: Taught | None

    def part(self, rows: slice) -> _Batch:
        """Some of the sequences, with the teacher's part as `chunked_cross_entropy` wants it."""
        taught = None
        if self.taught is not None:
            taught = Taught(*(each[rows].flatten(0, 1) for each in self.taught))  # (N, K)
        return _Batch(self.tokens[rows], self.counted[rows], taught)


class Trainer:
    """A model, its optimizer, and the place in the data."""

    def __init__(
        self,
        corpus: Path,
        config: ModelConfig,
        settings: TrainingSettings,
        device: torch.device,
        *,
        n_workers: int = 0,
        model: Transformer | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        """A new run; `restore` makes it another. It begins with the weights of `model`, or with drawn ones.

        With `lessons` their sequences take the place of the corpus's, and a teacher's probabilities count beside them.
        """
        check_lengths(config, settings)
        self.config, self.settings, self.device = config, settings, device
        if model is None:
            model = Transformer(config)
            initialize(model, settings.seed)
        self.model = model.to(device)
        self._optimizer = Optimizer(self.model, settings)
        self._operations = operations_for(device)
        self._dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
        self._corpus, self._n_workers, self._lessons = corpus, n_workers, lessons
        self._fingerprint = lessons.fingerprint if lessons is not None else corpus_fingerprint(corpus)
        self._tokenizer = _sha256(corpus / "tokenizer.json")
        self.step_number = self.tokens = self._position = self._bug_position = self._length = 0
        self._data: Iterator[Packed | Lesson] | None = None
        self._bugs: Iterator[BugRow] | None = None

    def step(self) -> StepResult:
        """Train on the next batch; `Diverged` before any weight is changed by what is no number."""
        rate, length = self.settings.rate_at(self.tokens), self.settings.length_at(self.tokens)
        batch, with_bugs = self._batch(length), self._bug_batch(length)
        tokens, counted = batch.tokens, batch.counted
        total = (counted.sum() + sum(int(row.mask.sum()) for row in with_bugs)).clamp(min=1)
        n_all = len(tokens) + len(with_bugs)
        loss = torch.zeros((), device=self.device)
        load = torch.zeros(self.config.n_moe_layers, self.config.n_routed_experts, device=self.device)
        n_rows = max(self.settings.micro_tokens // length, 1)
        for start in range(0, len(tokens), n_rows):
            rows = slice(start, start + n_rows)
            share = len(tokens[rows]) / n_all
            told, routing = self._pass(batch.part(rows), counted[rows].sum() / total, share)
            loss += told
            load += self._loads(routing)
        n_bugs, n_preferred = sum(len(row.bugs) for row in with_bugs), 0
        for start in range(0, len(with_bugs), n_rows):
            part = with_bugs[start : start + n_rows]
            found = prefer(self.model, part, self._dtype, self._operations)
            balance = balance_loss(found.routing, self.config) * len(part) / n_all
            (found.of_text / total + BUG_WEIGHT * found.of_bugs / n_bugs + balance).backward()
            loss += found.of_text.detach() / total
            load += self._loads(found.routing)
            n_preferred += found.n_preferred
        weights = list(self.model.parameters())
        length_of_gradient = torch.nn.utils.clip_grad_norm_(weights, _MOST_GRADIENT)
        told_loss = float(loss)
        if not math.isfinite(told_loss) or not math.isfinite(float(length_of_gradient)):
            raise Diverged(
                f"the loss is {told_loss} and the gradient's length {float(length_of_gradient)} in step "
                f"{self.step_number + 1}, after {self.tokens:,} tokens"
            )
        self._optimizer.step(rate)
        self.model.zero_grad()
        self._move_biases(load)
        self.step_number += 1
        self.tokens += n_all * length
        imbalance = float((load.amax(1) / load.mean(1)).max())
        preferred = n_preferred / n_bugs if n_bugs else None
        return StepResult(self.step_number, self.tokens, told_loss, imbalance, rate, length, preferred)

    def _loads(self, routing: list[Routing]) -> Tensor:
        return torch.stack([loads(each.chosen, self.config).sum(0) for each in routing])

    def _pass(self, batch: _Batch, of_loss: Tensor, of_rows: float) -> tuple[Tensor, list[Routing]]:
        output = self.model(batch.tokens[:, :-1], dtype=self._dtype, operations=self._operations)
        loss = of_loss * chunked_cross_entropy(
            output.hidden.flatten(0, 1),
            self.model.output_weight,
            batch.tokens[:, 1:].flatten(),
            batch.counted.flatten(),
            batch.taught,
        )
        (loss + of_rows * balance_loss(output.routing, self.config)).backward()
        return loss.detach(), output.routing

    def _batch(self, length: int) -> _Batch:
        """The next sequences."""
        if length != self._length:
            # A position holds for its length; what is left of the group is passed over.
            self._position, self._bug_position = next_group(self._position), next_group(self._bug_position)
            self._length, self._data, self._bugs = length, None, None
        if self._data is None:
            self._data = (
                self._lessons.rows(self.settings.seed, self._position)
                if self._lessons is not None
                else sequences(self._corpus, length + 1, self.settings.seed, self._position, n_workers=self._n_workers)
            )
        n_rows = self.settings.batch_tokens // length - self.settings.n_bug_rows(length)
        rows = [next(self._data) for _ in range(n_rows)]
        self._position = rows[-1].position
        tokens = self._stacked([row.tokens for row in rows]).to(torch.int64)
        taught = None
        if lessons := [row for row in rows if isinstance(row, Lesson)]:
            ids = self._stacked([row.ids for row in lessons]).to(torch.int64)
            taught = Taught(ids, self._stacked([row.logprobs for row in lessons]).float())
        return _Batch(tokens, self._stacked([row.mask for row in rows])[:, 1:], taught)

    def _bug_batch(self, length: int) -> list[BugRow]:
        """The next functions with bugs, of the length of `_batch`."""
        wanted = self.settings.n_bug_rows(length)
        if wanted and self._bugs is None:
            self._bugs = bug_rows(
                self._corpus, length, self.settings.seed, self._bug_position, n_workers=self._n_workers
            )
        rows = list(islice(self._bugs or (), wanted))
        if len(rows) < wanted:
            raise DsassistError(
                f"the corpus {self._corpus} has no Python function that a bug could be put into and that fits into a "
                f"sequence of {length} tokens; name another corpus or longer sequences, or leave --bugs out"
            )
        self._bug_position = rows[-1].position if rows else self._bug_position
        return rows

    def _stacked(self, arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    def _move_biases(self, load: Tensor) -> None:
        if self.config.topk_method != "noaux_tc":
            return
        towards_even = torch.sign(load.mean(1, keepdim=True) - load) * self.settings.bias_rate
        mixtures = [layer.mlp for layer in self.model.layers if not layer.is_dense]
        for mixture, step in zip(mixtures, towards_even, strict=True):
            mixture.gate.e_score_correction_bias += step

    def checkpoint(self) -> Checkpoint:
        """The run as it stands; the tensors are the run's own."""
        return Checkpoint(
            self.config,
            self.settings,
            self._fingerprint,
            self._tokenizer,
            self.step_number,
            self.tokens,
            self._position,
            self._length,
            self.model.state_dict(),
            self._optimizer.state(),
            self._bug_position,
        )

    def restore(self, checkpoint: Checkpoint, where: Path) -> None:
        """Go on from a checkpoint; `DsassistError` where it is of another model, corpus or settings."""
        if self._fingerprint != checkpoint.corpus:
            raise _trained_otherwise(where, "corpus")
        check_same_run(checkpoint, where, self._tokenizer, self.config, self.settings)
        if self.settings.total_tokens != checkpoint.settings.total_tokens and any(
            settings.has_fallen(checkpoint.tokens, checkpoint.length)
            for settings in (checkpoint.settings, self.settings)
        ):
            stable = f", or go on from {STABLE}" if where.with_name(STABLE).exists() else ""
            raise DsassistError(
                f"the learning rate of {where} is falling already, or would be; its total stays "
                f"{checkpoint.settings.total_tokens} tokens{stable}"
            )
        self.model.load_state_dict(checkpoint.model)
        self._optimizer.restore(checkpoint.optimizer)
        self.step_number, self.tokens = checkpoint.step, checkpoint.tokens
        self._position, self._bug_position = checkpoint.position, checkpoint.bug_position
        self._length, self._data, self._bugs = checkpoint.length, None, None


def check_lengths(config: ModelConfig, settings: TrainingSettings) -> None:
    """`DsassistError` unless the sequences can be packed, and the model has positions for them."""
    shortest = min(settings.final_length, *(length for _, length in settings.lengths))
    if shortest < LEAST_LENGTH:
        raise DsassistError(
            f"sequences of {shortest} tokens are too short, {LEAST_LENGTH} are the least; raise --lengths or "
            "--final-length"
        )
    if config.max_position_embeddings < settings.longest:
        raise DsassistError(
            f"max_position_embeddings is {config.max_position_embeddings}, and sequences of {settings.longest} are "
            "trained on; raise it, or lower --length, --lengths and --final-length"
        )


def check_same_run(
    checkpoint: Checkpoint, where: Path, tokenizer: str, config: ModelConfig, settings: TrainingSettings
) -> None:
    """`DsassistError` where a checkpoint is of another tokenizer (by its SHA-256), model or settings."""
    if tokenizer != checkpoint.tokenizer:
        raise _trained_otherwise(where, "tokenizer")
    differing = [
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(checkpoint.config, field.name)
    ] + settings.differing_from(checkpoint.settings)
    if differing:
        raise DsassistError(
            f"{where} was trained with another configuration ({', '.join(differing)} differ); leave those options "
            "out, or begin in another folder"
        )


def _trained_otherwise(where: Path, what: str) -> DsassistError:
    return DsassistError(f"{where} was trained with another {what}; name that one, or begin in another folder")


def fit(
    trainer: Trainer,
    run: Path,
    *,
    on_step: Callable[[StepResult], None],
    on_warning: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
    save_every_s: float = 600.0,
) -> bool:
    """Train until the settings' total, or until `should_stop`; was the total reached?

    `run/last.pt` is the run's newest state, `run/stable.pt` the one before the learning rate began to fall. A
    checkpoint that cannot be written on the way is a warning, at the end an error.
    """
    saved_at = time.monotonic()
    settings = trainer.settings
    is_saved = trainer.step_number > 0
    while trainer.tokens < settings.total_tokens and not should_stop():
        was_stable = trainer.tokens < settings.decay_start
        try:
            on_step(trainer.step())
        except Diverged as error:
            last = (
                f"the last good checkpoint is {run / LAST}" if (run / LAST).exists() else "there is no checkpoint yet"
            )
            raise Diverged(
                f"{error}: training stops; {last}; try lower learning rates (--muon-lr, --adamw-lr)"
            ) from None
        is_saved = False
        due = time.monotonic() - saved_at >= save_every_s
        decay_begins = was_stable and trainer.tokens >= settings.decay_start
        for name, wanted in ((STABLE, decay_begins), (LAST, due)):
            if wanted:
                is_saved = _saved(trainer, run / name, on_warning) and name == LAST
                saved_at = time.monotonic()
    if not is_saved:
        save_checkpoint(trainer.checkpoint(), run / LAST)
    return trainer.tokens >= settings.total_tokens


def _saved(trainer: Trainer, path: Path, on_warning: Callable[[str], None]) -> bool:
    try:
        save_checkpoint(trainer.checkpoint(), path)
    except NotDone as error:
        on_warning(str(error))
        return False
    return True


def corpus_fingerprint(corpus: Path) -> str:
    """What a corpus is known by: its list of documents and the number of its tokens."""
    try:
        return f"{_sha256(corpus / 'documents.json')}:{(corpus / 'tokens.bin').stat().st_size}"
    except OSError:
        raise DsassistError(f"{corpus} is no corpus; make one by `dsassist train corpus DIR --out {corpus}`") from None


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise DsassistError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}; make the corpus anew"
        ) from None


def config_from_file(path: Path, vocab_size: int) -> ModelConfig:
    """The model that a `config.json` describes, with the corpus's vocabulary."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DsassistError(f"{path} cannot be read as JSON: {error}; name a config.json") from None
    if not isinstance(values, dict):
        raise DsassistError(f"{path} holds no JSON object; name a config.json")
    return ModelConfig.from_json({**values, "vocab_size": vocab_size}, str(path))
