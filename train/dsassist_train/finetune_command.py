"""`dsassist train finetune`: a model of ours goes on learning, from code of the user's own."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.bench.arguments import whole_number
from dsassist_runtime.errors import DsassistError
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

    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.starting import Start
    from dsassist_train.training import Trainer

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "let a model of ours learn code of your own"
DESCRIPTION = (
    "Train a model that `dsassist train` made (builtin, a GGUF, or a run) on your own code, and write it as a GGUF\n"
    "file; with --lora, what it learnt alone, as an adapter. At the end the held-out files are scored with the model\n"
    "as it was and as it is. FILE.run keeps the state: the same command goes on where it stopped."
)
_EPOCHS = 2
_DEFAULTS = TrainingSettings(
    batch_tokens=4096, micro_tokens=4096, warmup_tokens=40_000, decay_share=1.0, muon_lr=0.002, adamw_lr=0.0004
)
_LORA_LR = 0.002
_LONGEST = 512
_SEED = 1  # of the windows that are scored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("model", metavar="MODEL", help="builtin, a GGUF of ours, or a run's folder")
    parser.add_argument("source", type=Path, metavar="REPO|CORPUS", help="sources, or what `train corpus` made of them")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the GGUF file to write")
    parser.add_argument(
        "--lora", type=whole_number(1024), dest="lora_rank", metavar="RANK", help="learn an adapter of this rank only"
    )
    parser.add_argument("--quant", default="Q8_0", metavar="NAME", help="what the model is stored in (default: Q8_0)")
    parser.add_argument(
        "--windows",
        type=whole_number(100_000, 0),
        default=70,
        metavar="N",
        help="held-out texts that are scored (default: 70; 0: none)",
    )
    add_sitting(parser)
    settings = add_settings(
        parser,
        _DEFAULTS,
        one_length=True,
        total_tokens=f"all of the corpus, {_EPOCHS} times",
        final_length=f"the model's, at most {_LONGEST}",
        adamw_lr=f"{_DEFAULTS.adamw_lr}; of an adapter {_LORA_LR}",
    )
    add_bugs(settings)


def run(args: argparse.Namespace) -> int:
    """Train, write the file, and score before and after; 0 also where the time was up before the end."""
    from dsassist_train.extra import require_torch
    from dsassist_train.tokenizer import require_tokenizers

    require_torch()
    require_tokenizers()
    from dsassist_train.export import check_exportable
    from dsassist_train.quantizing import quant_of
    from dsassist_train.starting import start_from

    quant = quant_of(args.quant)
    if args.out.suffix != ".gguf":
        raise DsassistError(f"--out {args.out} is to be a GGUF file; call it {args.out.stem}.gguf")
    start = start_from(args.model)
    if start.gguf is not None and args.out.exists() and args.out.samefile(start.gguf):
        raise DsassistError(f"--out {args.out} is the model itself; name another file")
    check_exportable(start.model.config)
    folder = args.out.with_suffix(".run")
    if not args.source.is_dir() and not (folder / "corpus").is_dir():
        raise DsassistError(f"{args.source} is no folder; name a repository, or what `dsassist train corpus` made")
    with locked_run(folder):
        return _finetune(args, start, folder, quant)


def _finetune(args: argparse.Namespace, start: Start, folder: Path, quant: str) -> int:
    """What `run` does, while nobody else works in the run's folder."""
    from dsassist import output
    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.starting import check_vocabulary

    corpus = CorpusFolder(_corpus(args.source, folder, start))
    check_vocabulary(start, corpus)
    if args.windows and not any(document.split == "valid" for document in corpus.documents):
        raise DsassistError(f"nothing is held out of the corpus {corpus.path}; make it anew, or add --windows 0")
    trainer = _trainer(args, start, corpus, folder)
    keep_tokenizer(corpus.path, folder)
    figures, is_stopped = sit(trainer, folder, args)
    words = [report_of(figures, trainer.settings.total_tokens)]
    if figures["is_done"]:
        _write(trainer, start, args.out, quant, corpus)
        figures["file"] = str(args.out)
        words.append(f"{args.out} {args.out.stat().st_size / 1e6:.1f} MB")
        if args.windows:
            figures["held_out"], told = _scored(start, trainer, args, corpus, folder)
            words += told
    output.write_line(json.dumps(figures) if args.json else "\n".join(words))
    return 130 if is_stopped else 0


def _corpus(source: Path, folder: Path, start: Start) -> Path:
    """The folder of a corpus: `source` itself, or one made of it in the first sitting, in the model's vocabulary."""
    from dsassist import output
    from dsassist_train.corpus.building import Wanted, collect
    from dsassist_train.corpus.writing import write_corpus

    if (source / "documents.json").is_file():
        return source.resolve()
    made = folder.resolve() / "corpus"
    if (made / "documents.json").is_file():
        _check_source(source.resolve(), made)
        written = datetime.fromtimestamp((made / "documents.json").stat().st_mtime).astimezone()
        output.notice(
            f"going on with the corpus that was made of {source} at {written:%Y-%m-%d %H:%M}; to read it anew, "
            f"name another --out, or delete {folder}"
        )
        return made
    texts = collect(Wanted((source.resolve(),), any_licence=True, held_out_by_file=True), output.notice)
    write_corpus(texts, made, 0, start.tokenizer, output.notice)
    return made


def _check_source(source: Path, made: Path) -> None:
    """`DsassistError` where the corpus of the first sitting was made of other sources."""
    told = json.loads((made / "sources.json").read_text(encoding="utf-8"))
    if "sources" in told:
        is_same = told["sources"] == [str(source)]
    else:  # a corpus of an earlier version does not tell what was named
        is_same = all(Path(each["place"]).is_relative_to(source) for each in told["projects"])
    if not is_same:
        raise DsassistError(f"{made.parent} has learnt other sources than {source}; name those, or another --out")


def _trainer(args: argparse.Namespace, start: Start, corpus: CorpusFolder, folder: Path) -> Trainer:
    """The run that is there as it stands, or a new one that begins with the model's weights."""
    from dsassist_train.checkpoint import LAST, load_checkpoint
    from dsassist_train.lora import add_adapters
    from dsassist_train.training import Trainer

    device = device_of(args)
    before = load_checkpoint(folder / LAST) if (folder / LAST).exists() else None
    named = named_settings(args, one_length=True) | {"start": start.digest, "lora_rank": args.lora_rank or 0}
    if before is not None:
        settings = dataclasses.replace(before.settings, **named)
    else:
        settings = dataclasses.replace(_DEFAULTS, **_derived(args, start, corpus, device) | named)
        if "total_tokens" not in named:  # those of bugs come on top of the text
            n_rows = settings.batch_tokens // settings.final_length
            n_of_text = n_rows - settings.n_bug_rows(settings.final_length)
            settings = dataclasses.replace(settings, total_tokens=settings.total_tokens * n_rows // n_of_text)
    config, model = start.model.config, start.model
    if settings.lora_rank:
        add_adapters(model, settings.lora_rank, settings.seed)
        config = dataclasses.replace(config, aux_loss_alpha=0.0)  # an adapter leaves the gates alone
    trainer = Trainer(corpus.path, config, settings, device, n_workers=workers_on(device), model=model)
    if before is not None:
        trainer.restore(before, folder / LAST)
    return trainer


def _derived(args: argparse.Namespace, start: Start, corpus: CorpusFolder, device: torch.device) -> dict[str, Any]:
    """The settings that follow from model and corpus."""
    n_tokens = sum(document.end - document.start for document in corpus.documents if document.split == "train")
    length = min(_LONGEST, start.model.config.max_position_embeddings)
    found: dict[str, Any] = {
        "total_tokens": max(_EPOCHS * n_tokens, _DEFAULTS.batch_tokens),
        "lengths": ((0, length),),
        "final_length": length,
        "precision": precision_on(device),
    }
    return found | ({"adamw_lr": _LORA_LR, "bias_rate": 0.0, "weight_decay": 0.0} if args.lora_rank else {})


def _write(trainer: Trainer, start: Start, path: Path, quant: str, corpus: CorpusFolder) -> None:
    import torch

    from dsassist_train.export import export_gguf
    from dsassist_train.lora import base_digest, export_adapter
    from dsassist_train.tokenizer import gguf_metadata

    if trainer.settings.lora_rank:
        base = base_digest(trainer.model)  # an adapter changes no vector
        export_adapter(trainer.model, path, name=path.stem, base_name=start.name, base=base)
        return
    vocabulary = gguf_metadata(corpus.path / "tokenizer.json")
    n_threads = torch.get_num_threads()
    export_gguf(
        trainer.model, vocabulary, path, quant, name=path.stem, fim_orders=start.fim_orders, n_threads=n_threads
    )


def _scored(
    start: Start, trainer: Trainer, args: argparse.Namespace, corpus: CorpusFolder, folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """Bits per byte of the held-out files, before and after."""
    from dsassist import output
    from dsassist_train.evaluation.comparing import Arm, compare_bits

    before = start.gguf or _exported(args.model, start, corpus, folder)
    after = Arm(before, args.out) if trainer.settings.lora_rank else Arm(args.out)
    found = compare_bits({"before": Arm(before), "after": after}, corpus, args.windows, _SEED, output.notice)
    words = [f"held-out files, {name}: {each.in_words}" for name, each in found.items()]
    return {name: each._asdict() for name, each in found.items()}, words


def _exported(name: str, start: Start, corpus: CorpusFolder, folder: Path) -> Path:
    """A run as it was, as a file that can be served; with an adapter, it is what that is for."""
    from dsassist_train.export import export_gguf
    from dsassist_train.starting import start_from
    from dsassist_train.tokenizer import gguf_metadata

    path = folder / "start.gguf"
    export_gguf(start_from(name).model, gguf_metadata(corpus.path / "tokenizer.json"), path, "F16", name=start.name)
    return path
