"""`dsassist train export`: a checkpoint becomes a GGUF file."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "write a trained model as a GGUF file"
DESCRIPTION = (
    "Write a checkpoint as a GGUF file that llama.cpp runs. RUN is a run's folder (its newest state) or a checkpoint\n"
    "in one; --quant may be named several times, and then {quant} in --out stands for each."
)
_ORDERS = ("spm,psm", "psm,spm", "spm", "psm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a folder that `dsassist train fit` made, or a .pt file there"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the GGUF file, such as model-{quant}.gguf")
    parser.add_argument(
        "--quant", action="append", metavar="NAME", help="F32, F16, Q8_0, Q5_0, Q4_K_M, ... (default: Q8_0); repeatable"
    )
    parser.add_argument("--name", help="the model's name in the file (default: the run's)")
    parser.add_argument(
        "--fim-order",
        choices=_ORDERS,
        default="spm,psm",
        help="orders of prefix and suffix, the better first (spm,psm)",
    )


def run(args: argparse.Namespace) -> int:
    """Write a file for each quantisation."""
    from dsassist_train.extra import require_torch

    require_torch()
    import torch

    from dsassist import output
    from dsassist_train.checkpoint import LAST, load_model
    from dsassist_train.export import export_gguf
    from dsassist_train.quantizing import quant_of
    from dsassist_train.tokenizer import gguf_metadata

    quants = [quant_of(name) for name in args.quant or ["Q8_0"]]
    if len(quants) > 1 and "{quant}" not in args.out:
        raise DsassistError(
            f"--out {args.out} is one file for {len(quants)} quantisations; write {{quant}} into its name"
        )
    path = args.run / LAST if args.run.is_dir() else args.run
    model, checkpoint = load_model(path)
    tokenizer = path.parent / "tokenizer.json"
    _check_tokenizer(tokenizer, checkpoint.tokenizer, path)
    vocabulary = gguf_metadata(tokenizer)
    for quant in quants:
        target = Path(args.out.replace("{quant}", quant.lower()))
        export_gguf(
            model,
            vocabulary,
            target,
            quant,
            name=args.name or path.resolve().parent.name,
            fim_orders=args.fim_order.split(","),
            n_threads=torch.get_num_threads(),
        )
        output.write_line(f"{target} {quant} {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _check_tokenizer(path: Path, expected: str, checkpoint: Path) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise NotDone(f"{path} is missing; copy the corpus's tokenizer.json beside {checkpoint.name}") from None
    if found != expected:
        raise DsassistError(
            f"{path} is not the tokenizer that {checkpoint.name} was trained with; copy that of its corpus there"
        )
