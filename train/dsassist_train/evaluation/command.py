"""`dsassist train eval`: figures of a model on what is held out of a corpus."""

from __future__ import annotations

import argparse
from pathlib import Path

from dsassist.bench.arguments import whole_number

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "measure a model on what is held out of a corpus"
DESCRIPTION = (
    "Measure bits per byte, exact match of filled-in lines in both orders, whether code is preferred to the same code "
    "with a bug, and the use of experts. Any GGUF that the runtime runs will do; PyTorch is not needed."
)
_MOST = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("model", metavar="MODEL", help="a model's name or path")
    parser.add_argument(
        "--corpus", required=True, type=Path, metavar="FOLDER", help="what `dsassist train corpus` made"
    )
    for option, count, what in (
        ("--windows", 70, "texts of about 500 tokens for bits per byte"),
        ("--holes", 200, "lines to fill in, in each order"),
        ("--functions", 300, "functions with a bug put in"),
    ):
        parser.add_argument(
            option, type=whole_number(_MOST, 0), default=count, metavar="N", help=f"{what} (default: {count}; 0: none)"
        )
    parser.add_argument("--lora", type=Path, metavar="FILE", help="a LoRA adapter of the model, to be measured with it")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what is drawn (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure with an engine of its own, and print the report."""
    from dsassist.bench.interruptible import sigterm_as_ctrl_c
    from dsassist.bench.private_engine import private_engine
    from dsassist.bench.report import machine
    from dsassist.output import notice, write_line
    from dsassist_runtime.models.store import resolve
    from dsassist_train.evaluation.measuring import Evaluation, measure
    from dsassist_train.packing.folder import CorpusFolder

    before = machine()
    corpus = CorpusFolder(args.corpus.resolve())
    evaluation = Evaluation(args.windows, args.holes, args.functions, args.seed)
    model, lora = resolve(args.model).path, args.lora
    with sigterm_as_ctrl_c(), private_engine(model, lora and lora.resolve()) as engine:
        report = measure(evaluation, corpus, engine, before, lambda what: notice(f"measuring: {what}"))
    write_line(report.as_json() if args.json else report.as_table())
    return 0
