"""`dsassist train corpus`: source trees become a packed corpus."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "make a corpus of source trees"
DESCRIPTION = (
    "Read source trees, keep what people wrote under a permissive licence, each text once and without secrets, and "
    "pack it as tokens to train on. What is taken, by project and licence, stands in FOLDER/sources.json."
)
_LEAST_VOCAB, _MOST_VOCAB = 1024, 1 << 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument(
        "directories",
        metavar="DIR",
        nargs="+",
        type=Path,
        help="a project, a folder of projects, a site-packages or a node_modules",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the corpus is written")
    vocabulary = parser.add_mutually_exclusive_group()
    vocabulary.add_argument(
        "--vocab-size", type=_vocab_size, default=8192, metavar="N", help="tokens of the vocabulary (default: 8192)"
    )
    vocabulary.add_argument(
        "--vocab",
        metavar="MODEL",
        help="take over the vocabulary of a model (a name or a GGUF), so that a small model can draft for it",
    )
    parser.add_argument(
        "--held-out",
        type=_names,
        default=(),
        metavar="NAME,NAME",
        help="projects that are not trained on (default: one in fifty, by the hash of the name)",
    )
    parser.add_argument(
        "--any-licence",
        action="store_true",
        help="also take projects whose licence is unknown or not permissive: for code of your own",
    )
    parser.add_argument("--languages", type=_names, default=(), metavar="NAME,NAME", help="only these (default: all)")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="leave out these paths of a project; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Make the corpus and print what it holds."""
    import json

    from dsassist.output import notice, write_line
    from dsassist_train.corpus.building import Wanted, collect
    from dsassist_train.corpus.writing import check_target, write_corpus
    from dsassist_train.tokenizer import require_tokenizers

    require_tokenizers()
    wanted = Wanted(
        tuple(_folder(directory) for directory in args.directories),
        any_licence=args.any_licence,
        held_out=args.held_out,
        languages=_languages(args.languages),
        exclude=tuple(args.exclude),
    )
    folder, model = args.out.resolve(), _model(args.vocab)
    check_target(folder)
    figures = write_corpus(collect(wanted, notice), folder, args.vocab_size, model, notice)
    if args.json:
        write_line(json.dumps({"folder": str(folder)} | figures, indent=2))
        return 0
    for line in _report(figures):
        write_line(line)
    return 0


def _report(figures: dict[str, Any]) -> Iterator[str]:
    from collections import Counter

    yield f"{'':<8}{'language':<14}{'files':>9}{'bytes':>14}{'tokens':>13}  bytes a token"
    for split, languages in figures["languages"].items():
        rows = dict(languages)
        rows["all"] = {key: sum(row[key] for row in languages.values()) for key in ("files", "bytes", "tokens")}
        for language, row in rows.items():
            per_token = row["bytes"] / max(1, row["tokens"])
            yield f"{split:<8}{language:<14}{row['files']:>9,}{row['bytes']:>14,}{row['tokens']:>13,}  {per_token:.2f}"
    licences = Counter(project["licence"] or "unknown" for project in figures["projects"])
    yield f"projects: {len(figures['projects'])}; " + ", ".join(f"{name} {n}" for name, n in licences.most_common(12))
    if held_out := [project["project"] for project in figures["projects"] if project["split"] == "valid"]:
        yield f"held out: {'files of ' if figures['held_out_by_file'] else ''}{', '.join(held_out)}"
    if figures["projects_left_out"]:
        reasons = Counter(project["left_out"] for project in figures["projects_left_out"])
        yield "projects left out: " + ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
    if figures["files_left_out"]:
        yield "files left out: " + ", ".join(f"{reason} {n:,}" for reason, n in figures["files_left_out"].items())
    yield f"secrets replaced: {figures['secrets_replaced']:,}; vocabulary: {figures['n_vocab']:,} tokens"


def _folder(directory: Path) -> Path:
    from dsassist_runtime.errors import DsassistError

    if not directory.is_dir():
        raise DsassistError(f"{directory} is no folder; name source trees, a site-packages or a node_modules")
    return directory


def _model(name: str | None) -> Path | None:
    from dsassist_runtime.models.store import resolve

    return resolve(name).path if name is not None else None


def _languages(names: tuple[str, ...]) -> tuple[str, ...]:
    from dsassist.syntax.languages import LANGUAGES
    from dsassist_runtime.errors import DsassistError

    if unknown := [name for name in names if name not in LANGUAGES]:
        raise DsassistError(f"--languages: {unknown[0]!r} is not allowed; allowed are {', '.join(LANGUAGES)}")
    return names


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for each in text.split(",") if (name := each.strip()))


def _vocab_size(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not _LEAST_VOCAB <= number <= _MOST_VOCAB:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; {_LEAST_VOCAB} to {_MOST_VOCAB:,} tokens are")
    return number
