"""`dsassist train fit`: a packed corpus becomes a model, over as many sittings as it takes."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist_train.settings import TrainingSettings
from dsassist_train.sitting import (
    add_bugs,
    add_settings,
    add_sitting,
    device_of,
    keep_tokenizer,
    locked_run,
    named_settings,
    precision_on,
    report_of,
    sit,
    workers_on,
)

if TYPE_CHECKING:
    import torch

    from dsassist_train.architecture import ModelConfig
    from dsassist_train.training import Trainer

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "train a model on a corpus, or go on with one"
DESCRIPTION = (
    "Train a mixture of experts on a packed corpus. RUN keeps the newest state; the same command goes on where the\n"
    "run stopped, with its own settings: name no others then, but for --tokens, which may be raised before the\n"
    "learning rate begins to fall. Ctrl-C ends the step, saves, and stops."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="a folder that `dsassist train corpus` made")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--config", type=Path, metavar="FILE", help="sizes, as in DeepSeek-V2's config.json")
    add_sitting(parser)
    add_bugs(add_settings(parser, TrainingSettings()))


def run(args: argparse.Namespace) -> int:
    """Train; 0 also where the time was up before the end."""
    from dsassist_train.extra import require_torch

    require_torch()
    from dsassist import output
    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.training import config_from_file

    n_vocab = CorpusFolder(args.corpus).vocabulary.n_vocab
    config = config_from_file(args.config, n_vocab) if args.config else None
    device = device_of(args)
    with locked_run(args.out):
        trainer = _trainer(args, config, n_vocab, device)
        keep_tokenizer(args.corpus, args.out)
        figures, is_stopped = sit(trainer, args.out, args)
    output.write_line(json.dumps(figures) if args.json else report_of(figures, trainer.settings.total_tokens))
    return 130 if is_stopped else 0


def _trainer(args: argparse.Namespace, config: ModelConfig | None, n_vocab: int, device: torch.device) -> Trainer:
    """The run that is there as it stands, or a new one; options that are named take precedence over its settings."""
    from dsassist_train.architecture import ModelConfig
    from dsassist_train.checkpoint import LAST, load_checkpoint
    from dsassist_train.export import check_exportable
    from dsassist_train.training import Trainer

    named = named_settings(args)
    if (args.out / LAST).exists():
        before = load_checkpoint(args.out / LAST)
        settings = dataclasses.replace(before.settings, **named, lora_rank=0)  # an adapter's run is `finetune`'s
        config = config or before.config
        check_exportable(config)
        trainer = Trainer(args.corpus, config, settings, device, n_workers=workers_on(device))
        trainer.restore(before, args.out / LAST)
        return trainer
    named.setdefault("precision", precision_on(device))
    settings = TrainingSettings(**named)
    config = config or ModelConfig(vocab_size=n_vocab, max_position_embeddings=settings.longest)
    check_exportable(config)
    return Trainer(args.corpus, config, settings, device, n_workers=workers_on(device))
