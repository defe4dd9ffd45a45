"""One sitting of a run, which may take many: options, progress, signals, log, and what was reached.

What `fit`, `finetune` and `distil` have in common.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.bench.arguments import whole_number
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_train.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from dsassist_train.training import StepResult, Trainer

__all__ = [
    "add_bugs",
    "add_settings",
    "add_sitting",
    "device_of",
    "keep_tokenizer",
    "locked_run",
    "named_settings",
    "precision_on",
    "report_of",
    "sit",
    "workers_on",
]

_LOG_EVERY = 10  # steps
_MOST_THREADS = 1024


def add_sitting(parser: argparse.ArgumentParser) -> None:
    """Options of the time and the machine, which may be others each time."""
    parser.add_argument("--minutes", type=_minutes, metavar="N", help="stop after so long; the same command goes on")
    parser.add_argument(
        "--threads", type=whole_number(_MOST_THREADS), metavar="N", help="CPU threads (default: one a core)"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), help="where to train (default: a GPU where there is one)")
    parser.add_argument(
        "--save-every", type=_minutes, default=10, metavar="MIN", help="minutes between checkpoints (10)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def add_settings(
    parser: argparse.ArgumentParser,
    defaults: TrainingSettings,
    *,
    one_length: bool = False,
    **texts: str,
) -> argparse._ArgumentGroup:
    """Options of a new run, as a group; `texts` say of some what is the default instead of a number."""
    settings = parser.add_argument_group("settings of a new run")
    for name, field, kind, text in (
        ("--tokens", "total_tokens", int, "how many tokens to train on in all"),
        ("--batch-tokens", "batch_tokens", int, "tokens a step"),
        ("--micro-tokens", "micro_tokens", int, "tokens in memory at once"),
        ("--length", "final_length", int, "length of sequences")
        if one_length
        else ("--final-length", "final_length", int, "length of sequences while the rate falls"),
        ("--warmup-tokens", "warmup_tokens", int, "over how many tokens the rate rises"),
        ("--decay-share", "decay_share", float, "over which last share of the tokens the rate falls"),
        ("--muon-lr", "muon_lr", float, "learning rate of the layers' matrices"),
        ("--adamw-lr", "adamw_lr", float, "learning rate of embedding, gates and norms"),
        ("--weight-decay", "weight_decay", float, "of the layers' matrices"),
        ("--seed", "seed", int, "of the first weights and the order of the data"),
    ):
        default = texts.get(field, getattr(defaults, field))
        settings.add_argument(name, dest=field, type=kind, metavar="N", help=f"{text} (default: {default})")
    if not one_length:
        settings.add_argument(
            "--lengths",
            type=_lengths,
            metavar="FROM:N,...",
            help="lengths of sequences, from so many tokens on (0:512)",
        )
    settings.add_argument(
        "--precision", choices=("bf16", "f32"), help="(default: bf16 where the machine multiplies it quickly)"
    )
    return settings


def add_bugs(settings: argparse._ArgumentGroup) -> None:
    """The option of a run that learns from bugs, too."""
    settings.add_argument(
        "--bugs",
        dest="bug_share",
        type=float,
        metavar="SHARE",
        help="share of the sequences, at least one a step, that are Python functions with bugs put into them, which "
        "the model learns to find less likely than what was written (default: 0)",
    )


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a number of minutes above 0")
    return number


def _lengths(text: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple((int(start), int(length)) for start, length in pairs)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of lengths; write such as 0:256,1000000:512") from None


def named_settings(args: argparse.Namespace, *, one_length: bool = False) -> dict[str, Any]:
    """The settings that were given on the command line."""
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    found = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    if one_length and "final_length" in found:
        found["lengths"] = ((0, found["final_length"]),)
    return found


def device_of(args: argparse.Namespace) -> torch.device:
    """Where to train, made ready; `DsassistError` where there is no GPU and one is asked for."""
    import torch

    from dsassist_train.speed import keep_memory

    if args.device == "cuda" and not torch.cuda.is_available():
        raise DsassistError("PyTorch finds no GPU here (--device cuda); leave the option out to train on the CPU")
    keep_memory()
    if args.threads:
        torch.set_num_threads(args.threads)
    return torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def workers_on(device: torch.device) -> int:
    """Processes that pack ahead."""
    return 4 if device.type == "cuda" else 0


def precision_on(device: torch.device) -> str:
    """bfloat16 where there are instructions for it; elsewhere PyTorch would only convert to and fro."""
    import torch

    if device.type == "cuda":
        return "bf16"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "f32"


@contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Make a run's folder, and keep others out of it; `NotDone` where one is at work there, or it cannot be had.

    A process that dies loses its lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise _not_written(folder, error) from None
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotDone(f"another run is at work in {folder}; wait for its end, or name another --out") from None
    except OSError as error:  # a network file system without locks
        raise _not_written(folder, error) from None


def keep_tokenizer(corpus: Path, folder: Path) -> None:
    """Put the vocabulary beside the checkpoints, without which they say nothing; `NotDone` where there is no room."""
    try:
        shutil.copyfile(corpus / "tokenizer.json", folder / "tokenizer.json")
    except OSError as error:
        raise _not_written(folder, error) from None


def _not_written(folder: Path, error: OSError) -> NotDone:
    return NotDone(f"cannot write into {folder}: {(error.strerror or str(error)).lower()}; name another --out")


def sit(trainer: Trainer, folder: Path, args: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Train until the end, `--minutes`, or a signal: what was reached, and whether it was a signal."""
    import torch

    from dsassist import output
    from dsassist_train.checkpoint import LAST
    from dsassist_train.speed import peak_flops
    from dsassist_train.training import fit

    device = trainer.device
    if trainer.step_number:
        output.notice(f"going on behind step {trainer.step_number:,}, at {trainer.tokens:,} tokens")
    total = trainer.settings.total_tokens
    weights = list(trainer.model.parameters())
    n_weights = sum(weight.numel() for weight in weights)
    n_learnt = sum(weight.numel() for weight in weights if weight.requires_grad)
    learnt = f" ({n_learnt / 1e6:.2f} M of them learnt)" if n_learnt < n_weights else ""
    output.notice(
        f"{n_weights / 1e6:.1f} M weights{learnt}, {total:,} tokens, {trainer.settings.batch_tokens:,} a step, "
        f"{trainer.settings.precision} on {device}, {torch.get_num_threads()} threads"
    )
    dtype = torch.bfloat16 if trainer.settings.precision == "bf16" else torch.float32
    peak = peak_flops(device, dtype)
    meter = _Meter(trainer)
    with _stop_signals() as stopped, _progress(trainer) as show:

        def on_step(result: StepResult) -> None:
            meter.add(result)
            show(result, meter.tokens_s)
            if result.step % _LOG_EVERY == 0:
                _log(folder, result, meter.tokens_s)

        deadline = time.monotonic() + args.minutes * 60 if args.minutes else float("inf")
        is_done = fit(
            trainer,
            folder,
            on_step=on_step,
            on_warning=output.warn,
            should_stop=lambda: bool(stopped) or time.monotonic() >= deadline,
            save_every_s=args.save_every * 60,
        )
    peak = max(peak, peak_flops(device, dtype))  # of a machine that others use too, the better of two
    figures = {
        "step": trainer.step_number,
        "tokens": trainer.tokens,
        "is_done": is_done,
        **_speed(meter, peak),
        "checkpoint": str(folder / LAST),
    }
    return figures, bool(stopped)


def _speed(meter: _Meter, peak: float) -> dict[str, float | None]:
    """What this sitting did; where it made no step, there is nothing to tell of loss and balance."""
    last = meter.last
    return {
        "loss": meter.loss,
        "preferred": meter.preferred,
        "imbalance": last.imbalance if last else None,
        "tokens_s": meter.tokens_s,
        "gflops": meter.flops_s / 1e9,
        "peak_gflops": peak / 1e9,
        "share_of_peak": meter.flops_s / peak,
    }


def report_of(figures: dict[str, Any], total: int) -> str:
    """The same in words."""
    place = f"step {figures['step']:,}, {figures['tokens']:,} of {total:,} tokens"
    if figures["loss"] is None:
        return f"{place}; no step was made now\n{figures['checkpoint']}"
    preferred = figures["preferred"]
    of_bugs = "" if preferred is None else f", originals preferred to bugs {preferred:.0%}"
    return (
        f"{place}, loss {figures['loss']:.3f} nats{of_bugs}, {figures['tokens_s']:,.0f} tokens/s\n"
        f"{figures['gflops']:,.0f} GFLOP/s, {figures['share_of_peak']:.0%} of the {figures['peak_gflops']:,.0f} that a "
        f"matrix product reaches here\n{figures['checkpoint']}"
    )


class _Meter:
    """Means over this sitting, from its first step on."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._first = self._before = trainer.tokens
        self._flops = 0.0
        self._started = time.perf_counter()
        self.tokens_s = self.flops_s = 0.0
        self.loss: float | None = None
        self.preferred: float | None = None
        self.last: StepResult | None = None

    def add(self, result: StepResult) -> None:
        from dsassist_train.speed import flops_per_token

        # Step by step, as a token takes more of them in longer sequences.
        of_token = flops_per_token(self._trainer.config, result.length, self._trainer.settings.lora_rank)
        self._flops += (result.tokens - self._before) * of_token
        self._before = result.tokens
        passed_s = time.perf_counter() - self._started
        self.tokens_s, self.flops_s = (result.tokens - self._first) / passed_s, self._flops / passed_s
        self.loss = _moved(self.loss, result.loss)
        if result.preferred is not None:
            self.preferred = _moved(self.preferred, result.preferred)
        self.last = result


def _moved(mean: float | None, value: float) -> float:
    """A mean of the last steps."""
    return value if mean is None else 0.95 * mean + 0.05 * value


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM, noted: the step that runs is finished and saved. A second one is obeyed at once."""
    found: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: Any) -> None:
        found.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(trainer: Trainer) -> Iterator[Callable[[StepResult, float], None]]:
    from tqdm import tqdm

    total = trainer.settings.total_tokens
    # disable=None: no bar where stderr is no terminal.
    with tqdm(
        total=total, initial=trainer.tokens, desc="train", unit=" tokens", unit_scale=True, disable=None, leave=False
    ) as bar:

        def show(result: StepResult, tokens_s: float) -> None:
            of_bugs = "" if result.preferred is None else f"originals preferred {result.preferred:.0%}, "
            bar.set_postfix_str(
                f"loss {result.loss:.3f}, {of_bugs}busiest expert {result.imbalance:.2f}x, {tokens_s:,.0f} tokens/s",
                refresh=False,
            )
            bar.update(result.tokens - bar.n)

        yield show


def _log(folder: Path, result: StepResult, tokens_s: float) -> None:
    """`log.jsonl`: a line now and then, for curves."""
    line = json.dumps({**result._asdict(), "tokens_s": round(tokens_s, 1)})
    # A full disk does not end a run, and the next checkpoint tells of it.
    with suppress(OSError), (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
