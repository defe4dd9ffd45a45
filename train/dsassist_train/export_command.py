"""`dsassist train export`: a checkpoint becomes a GGUF file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dsassist.bench.arguments import whole_number
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist_train.packing.folder import CorpusFolder

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "write a trained model as a GGUF file"
DESCRIPTION = (
    "Write a checkpoint as a GGUF file that llama.cpp runs. RUN is a run's folder (its newest state) or a checkpoint\n"
    "in one; --quant may be named several times, and then {quant} in --out stands for each. With --corpus the bits\n"
    "per byte of each are told, and how many more they are than in F16, on the same held-out texts."
)
_REFERENCE = "F16"
_SEED = 1  # of the texts
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
    parser.add_argument(
        "--corpus", type=Path, metavar="FOLDER", help="tell what each costs on what is held out of a corpus"
    )
    parser.add_argument(
        "--windows", type=whole_number(100_000), default=70, metavar="N", help="texts of about 500 tokens (default: 70)"
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
    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.quantizing import quant_of
    from dsassist_train.starting import check_tokenizer
    from dsassist_train.tokenizer import gguf_metadata

    quants = [quant_of(name) for name in args.quant or ["Q8_0"]]
    if len(quants) > 1 and "{quant}" not in args.out:
        raise DsassistError(
            f"--out {args.out} is one file for {len(quants)} quantisations; write {{quant}} into its name"
        )
    corpus = CorpusFolder(args.corpus.resolve()) if args.corpus else None
    if corpus is not None and not any(document.split == "valid" for document in corpus.documents):
        raise DsassistError(f"nothing is held out of the corpus {corpus.path}; make it anew with --held-out")
    path = args.run / LAST if args.run.is_dir() else args.run
    model, checkpoint = load_model(path)
    tokenizer = path.parent / "tokenizer.json"
    check_tokenizer(tokenizer, checkpoint.tokenizer, path)
    vocabulary = gguf_metadata(tokenizer)

    def export(target: Path, quant: str) -> None:
        export_gguf(
            model,
            vocabulary,
            target,
            quant,
            name=args.name or path.resolve().parent.name,
            fim_orders=args.fim_order.split(","),
            n_threads=torch.get_num_threads(),
        )

    files = {quant: Path(args.out.replace("{quant}", quant.lower())) for quant in quants}
    for quant, target in files.items():
        export(target, quant)
        output.write_line(f"{target} {quant} {target.stat().st_size / 1e6:.1f} MB")
    if corpus is not None:
        with TemporaryDirectory(prefix="dsa-") as folder:
            if _REFERENCE not in files:
                export(Path(folder) / "reference.gguf", _REFERENCE)
            reference = files.get(_REFERENCE, Path(folder) / "reference.gguf")
            _tell_loss({_REFERENCE: reference, **files}, corpus, args.windows)
    return 0


def _tell_loss(files: Mapping[str, Path], corpus: CorpusFolder, n_windows: int) -> None:
    """Bits per byte of each, the reference first; behind them the difference and its paired interval."""
    from dsassist import output
    from dsassist_train.evaluation.comparing import Arm, compare_bits

    arms = {quant: Arm(path) for quant, path in files.items()}
    for quant, found in compare_bits(arms, corpus, n_windows, _SEED, output.notice).items():
        output.write_line(f"{quant}: {found.in_words if quant != _REFERENCE else f'{found.bits:.4f} bits per byte'}")
