"""`dsassist train carve`: a dense model becomes a mixture of experts."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.bench.arguments import whole_number
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_train.carving.sizes import LEAST_TOKENS, MOST_EXPERTS, split_sizes

if TYPE_CHECKING:
    from dsassist_train.carving.calibrating import CarvedLayer, Plan
    from dsassist_train.carving.dense import DenseModel

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "make a mixture of experts of a dense model"
DESCRIPTION = (
    "Split the feed-forward neurons of a dense GGUF (Qwen2, Llama, Mistral) into a shared part and routed experts, by\n"
    "what fires together on source code. Nothing is trained. With every expert used, the result computes what the\n"
    "dense model does; with fewer it reads less for each token, and is worse: docs/train-carve.md has figures."
)
_MOST_SEED = 1 << 31
_MOST_TOKENS = 10_000_000
_MOST_THREADS = 1024
_TOKENS = 32_768


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("model", metavar="MODEL", help="a dense model's name or path")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the GGUF file that is written")
    parser.add_argument(
        "--corpus",
        action="append",
        type=Path,
        metavar="DIR",
        help="source code to watch the model on, or a corpus that `dsassist train corpus` made "
        "(default: Python's standard library); repeatable",
    )
    parser.add_argument(
        "--experts",
        type=whole_number(MOST_EXPERTS),
        metavar="N",
        help="routed experts of a layer (default: of 256 neurons each, where that divides)",
    )
    parser.add_argument(
        "--shared",
        type=whole_number(MOST_EXPERTS, 0),
        metavar="N",
        help="the shared part, as so many experts (default: an eighth of all)",
    )
    parser.add_argument(
        "--top-k", type=whole_number(MOST_EXPERTS), metavar="N", help="experts that a token uses (default: half)"
    )
    parser.add_argument(
        "--no-correction",
        dest="corrects",
        action="store_false",
        help="leave the weights as they are: of a Qwen2 model (qwen2moe) such a file may also be run with another "
        "number of experts; one of a Llama or Mistral (granitemoe) is for its own number in either case",
    )
    parser.add_argument(
        "--quant",
        default="keep",
        metavar="NAME",
        help="how the feed-forwards are stored: F16, Q8_0, Q4_K, ... (default: keep, as in MODEL)",
    )
    parser.add_argument(
        "--tokens",
        type=whole_number(_MOST_TOKENS, LEAST_TOKENS),
        default=_TOKENS,
        metavar="N",
        help=f"how many to watch (default: {_TOKENS})",
    )
    parser.add_argument(
        "--seed", type=whole_number(_MOST_SEED, 0), default=1, metavar="N", help="of what is drawn (default: 1)"
    )
    parser.add_argument(
        "--threads", type=whole_number(_MOST_THREADS), metavar="N", help="CPU threads (default: one a core)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Carve, write the file, and print what is lost."""
    from dsassist_train.extra import require_torch

    require_torch()
    import torch

    from dsassist import output
    from dsassist.bench.interruptible import sigterm_as_ctrl_c
    from dsassist_runtime.models.store import resolve
    from dsassist_train.carving.calibrating import carved_layers
    from dsassist_train.carving.dense import open_dense
    from dsassist_train.carving.texts import standard_library, token_sequences
    from dsassist_train.carving.writing import write_carved
    from dsassist_train.speed import keep_memory

    keep_memory()
    if args.threads:
        torch.set_num_threads(args.threads)
    model = open_dense(resolve(args.model).path)
    stored_as = _stored_as(args.quant)
    plan = _plan(model, args)
    _check_place(args.out, model, plan, stored_as)
    folders = [_folder(folder) for folder in args.corpus or [standard_library()]]
    with sigterm_as_ctrl_c():
        output.notice(f"reading {', '.join(map(str, folders))}")
        tokens = token_sequences(model.header.path, folders, args.tokens, args.seed)
        output.notice(_told(model, plan, tokens.size))
        figures = _figures(args.out, plan, tokens.size)
        with _progress(model.shape.n_layers, figures) as watched:
            layers = watched(carved_layers(model, tokens, plan))
            write_carved(args.out, model, layers, plan, stored_as, _facts(model, figures))
    figures["mb"] = round(args.out.stat().st_size / 1e6, 1)
    output.write_line(json.dumps(figures) if args.json else _report(figures))
    return 0


def _stored_as(name: str) -> str:
    from dsassist_train.carving.writing import STORED_AS

    found = next((each for each in STORED_AS if each.lower() == name.lower()), None)
    if found is None:
        raise DsassistError(f"there is no type {name!r} to store feed-forwards as; choose of {', '.join(STORED_AS)}")
    return found


def _plan(model: DenseModel, args: argparse.Namespace) -> Plan:
    """By the options; where they say nothing, half of the experts are used."""
    from dsassist_train.carving.calibrating import Plan
    from dsassist_train.carving.forward import quick_dtype

    sizes = split_sizes(model.shape.n_ff, args.experts, args.shared)
    if sizes.n_shared == 0 and model.header.architecture == "qwen2":
        raise DsassistError("llama.cpp's mixture of Qwen2 has a shared expert; --shared must be 1 at least")
    top_k = args.top_k or max(1, sizes.n_experts // 2)
    if top_k > sizes.n_experts:
        raise DsassistError(f"--top-k is {top_k}, and there are {sizes.n_experts} experts")
    corrects = args.corrects and top_k < sizes.n_experts
    return Plan(sizes.n_experts, sizes.n_shared, top_k, corrects, quick_dtype())


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise DsassistError(f"--corpus {folder} is no folder; name one with source code")
    return folder.resolve()


def _check_place(path: Path, model: DenseModel, plan: Plan, stored_as: str) -> None:
    """Before the work: is the source not to be overwritten, and is there room?"""
    from dsassist_runtime.models.catalogue import in_words
    from dsassist_train.carving.writing import feed_forward_bytes

    path = path.resolve()
    if path == model.header.path.resolve():
        raise DsassistError(f"--out {path} is the model itself; name another file")
    if path.is_dir():
        raise DsassistError(f"--out {path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise NotDone(f"cannot write {path}: {(error.strerror or str(error)).lower()}; name another file") from error
    others = sum(tensor.n_bytes for tensor in model.header.tensors if ".ffn_" not in tensor.name)
    if "output.weight" not in model:
        others += model.tensor("token_embd.weight").n_bytes
    needed = others + feed_forward_bytes(model, plan, stored_as) + model.header.data_offset
    if free < needed:
        raise NotDone(
            f"{path} needs {in_words(needed)}, and {path.parent} has {in_words(free)} free; make room, or name another"
        )


def _told(model: DenseModel, plan: Plan, n_tokens: int) -> str:
    shape = model.shape
    size = (shape.n_ff - plan.n_shared) // plan.n_experts
    return (
        f"{shape.n_layers} layers of {shape.n_ff} neurons: {plan.n_shared} shared, {plan.n_experts} experts of {size}, "
        f"{plan.top_k} used; {n_tokens:,} tokens{', corrected' if plan.corrects else ''}"
    )


def _figures(path: Path, plan: Plan, n_tokens: int) -> dict[str, Any]:
    return {
        "file": str(path),
        "experts": plan.n_experts,
        "shared_neurons": plan.n_shared,
        "top_k": plan.top_k,
        "corrected": plan.corrects,
        "tokens": n_tokens,
        "lost": [],
        "lost_before": [],
    }


def _facts(model: DenseModel, figures: dict[str, Any]) -> dict[str, Any]:
    kept = ("experts", "shared_neurons", "top_k", "corrected", "tokens")
    return {"source": model.header.text("general.name") or model.header.path.stem} | {key: figures[key] for key in kept}


def _report(figures: dict[str, Any]) -> str:
    lost, before = (sum(figures[key]) / len(figures[key]) for key in ("lost", "lost_before"))
    told = f"{lost:.1%} of the feed-forwards' energy is lost on the texts that were watched"
    if figures["corrected"]:
        told += f" ({before:.1%} before the correction)"
    return f"{told}\n{figures['file']} {figures['mb']:.1f} MB"


@contextmanager
def _progress(
    n_layers: int, figures: dict[str, Any]
) -> Iterator[Callable[[Iterable[CarvedLayer]], Iterator[CarvedLayer]]]:
    """A bar, and what is lost of each layer."""
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=n_layers, desc="carve", unit=" layers", disable=None, leave=False) as bar:

        def watched(layers: Iterable[CarvedLayer]) -> Iterator[CarvedLayer]:
            for layer in layers:
                figures["lost"].append(round(layer.lost, 4))
                figures["lost_before"].append(round(layer.lost_before, 4))
                yield layer
                bar.update()

        yield watched
