"""`dsassist train distil`: a student learns from a teacher, any GGUF that the runtime serves."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.bench.arguments import whole_number
from dsassist_train.settings import TrainingSettings
from dsassist_train.sitting import (
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
    from dsassist_train.architecture import ModelConfig
    from dsassist_train.checkpoint import Checkpoint
    from dsassist_train.lessons import Lessons
    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.starting import Start
    from dsassist_train.training import Trainer

__all__ = ["DESCRIPTION", "HELP", "add_arguments", "run"]

HELP = "let a small model learn from a large one"
DESCRIPTION = (
    "Train a model on a corpus and on what a teacher thinks of each token there: its likeliest tokens with their\n"
    "probabilities, for which corpus and teacher must have one vocabulary (`train corpus --vocab`). With --written\n"
    "the teacher, whatever its vocabulary, writes middles for holes in the corpus, and these are learnt as well. What\n"
    "the teacher said is kept in RUN: the same command goes on where it stopped."
)
_DEFAULTS = TrainingSettings()
_LENGTH = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="a folder that `dsassist train corpus` made")
    parser.add_argument("--teacher", required=True, metavar="MODEL", help="a model's name or path")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    student = parser.add_mutually_exclusive_group()
    student.add_argument("--config", type=Path, metavar="FILE", help="sizes, as in DeepSeek-V2's config.json")
    student.add_argument("--student", metavar="MODEL", help="a model of ours to begin with: a GGUF, or a run's folder")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--teacher-tokens",
        type=whole_number(1 << 40),
        metavar="N",
        help="tokens that the teacher reads; the student learns from them again and again (default: the corpus once)",
    )
    ways.add_argument(
        "--written", type=whole_number(10_000_000), metavar="N", help="have it write so many middles instead"
    )
    add_sitting(parser)
    add_settings(parser, _DEFAULTS, one_length=True, final_length=str(_LENGTH))


def run(args: argparse.Namespace) -> int:
    """Ask the teacher for what is missing, then train; 0 also where the time was up before the end."""
    from dsassist_train.extra import require_torch
    from dsassist_train.tokenizer import require_tokenizers

    require_torch()
    require_tokenizers()
    from dsassist_runtime.models.store import resolve
    from dsassist_train.packing.folder import CorpusFolder
    from dsassist_train.starting import check_vocabulary, start_from

    began = time.monotonic()
    corpus, teacher = CorpusFolder(args.corpus.resolve()), resolve(args.teacher).path
    start = start_from(args.student) if args.student else None
    if start is not None:
        check_vocabulary(start, corpus)
    config = _named_config(args, start, corpus.vocabulary.n_vocab)
    with locked_run(args.out):
        return _distil(args, corpus, teacher, start, config, began)


def _distil(
    args: argparse.Namespace,
    corpus: CorpusFolder,
    teacher: Path,
    start: Start | None,
    config: ModelConfig | None,
    began: float,
) -> int:
    """What `run` does, while nobody else works in the run's folder."""
    from dsassist import output
    from dsassist.bench.interruptible import sigterm_as_ctrl_c
    from dsassist_runtime.models.writing import sha256_of
    from dsassist_train.architecture import ModelConfig
    from dsassist_train.checkpoint import LAST
    from dsassist_train.export import check_exportable
    from dsassist_train.training import check_lengths, check_same_run

    before = _before(args)
    settings = _settings(args, start, before)
    if config is None:
        small = ModelConfig(vocab_size=corpus.vocabulary.n_vocab, max_position_embeddings=settings.final_length)
        config = before.config if before is not None else small
    check_lengths(config, settings)
    check_exportable(config)
    if before is not None:
        check_same_run(before, args.out / LAST, sha256_of(corpus.path / "tokenizer.json"), config, settings)

    def is_time_up() -> bool:
        return bool(args.minutes) and time.monotonic() - began > args.minutes * 60

    with sigterm_as_ctrl_c():
        taught = _taught(args, corpus, teacher, settings, is_time_up)
    if taught is None:
        output.write_line(json.dumps({"is_done": False}) if args.json else "the teacher is not done yet")
        return 0
    corpus, lessons = taught
    trainer = _trainer(args, corpus, config, settings, start, lessons)
    keep_tokenizer(corpus.path, args.out)
    if args.minutes:
        args.minutes = max(args.minutes - (time.monotonic() - began) / 60, 1e-6)
    figures, is_stopped = sit(trainer, args.out, args)
    output.write_line(json.dumps(figures) if args.json else report_of(figures, trainer.settings.total_tokens))
    return 130 if is_stopped else 0


def _named_config(args: argparse.Namespace, start: Start | None, n_vocab: int) -> ModelConfig | None:
    from dsassist_train.training import config_from_file

    if start is not None:
        return start.model.config
    return config_from_file(args.config, n_vocab) if args.config else None


def _before(args: argparse.Namespace) -> Checkpoint | None:
    """The checkpoint of the run that is there, without its tensors: the teacher needs the memory."""
    from dsassist_train.checkpoint import LAST, load_checkpoint

    path = args.out / LAST
    return dataclasses.replace(load_checkpoint(path), model={}, optimizer={}) if path.exists() else None


def _settings(args: argparse.Namespace, start: Start | None, before: Checkpoint | None) -> TrainingSettings:
    """Those of the run that is there, or new ones; options that are named take precedence."""
    own = {"start": start.digest if start else "", "lora_rank": 0, "bug_share": 0.0}
    named = named_settings(args, one_length=True) | own
    if before is not None:
        return dataclasses.replace(before.settings, **named)
    derived: dict[str, Any] = {
        "final_length": _LENGTH,
        "lengths": ((0, _LENGTH),),
        "precision": precision_on(device_of(args)),
    }
    return dataclasses.replace(_DEFAULTS, **derived | named)


def _taught(
    args: argparse.Namespace,
    corpus: CorpusFolder,
    teacher: Path,
    settings: TrainingSettings,
    is_time_up: Callable[[], bool],
) -> tuple[CorpusFolder, Lessons | None] | None:
    """What is trained on once the teacher has said all; None where the time was up before."""
    from dsassist.bench.private_engine import private_engine
    from dsassist_train.distil_teacher import K, check_same_vocabulary, teach, teacher_digest
    from dsassist_train.distil_texts import write_middles, write_taught_corpus
    from dsassist_train.lessons import LessonPlan, Lessons
    from dsassist_train.training import corpus_fingerprint

    if args.written:
        with _bar("teacher", "middles", args.written) as tell, private_engine(teacher) as engine:
            is_done = write_middles(
                corpus,
                engine,
                args.out,
                args.written,
                settings.seed,
                teacher=teacher_digest(teacher),
                on_middle=tell,
                should_stop=is_time_up,
            )
        return (write_taught_corpus(corpus, args.out, args.written, settings.seed), None) if is_done else None
    check_same_vocabulary(teacher, corpus)
    length = settings.final_length
    n_tokens = args.teacher_tokens or sum(
        document.end - document.start for document in corpus.documents if document.split == "train"
    )
    plan = LessonPlan(
        corpus_fingerprint(corpus.path), teacher_digest(teacher), length, K, settings.seed, -(-n_tokens // length)
    )
    lessons = Lessons.begin(args.out / "lessons", plan)
    with _bar("teacher", "tokens", plan.n_lessons * length) as tell:
        is_done = teach(lessons, corpus.path, teacher, on_lesson=lambda n: tell(n * length), should_stop=is_time_up)
    return (corpus, lessons) if is_done else None


@contextmanager
def _bar(what: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, disable=None, leave=False) as bar:

        def tell(done: int) -> None:
            bar.update(done - bar.n)

        yield tell


def _trainer(
    args: argparse.Namespace,
    corpus: CorpusFolder,
    config: ModelConfig,
    settings: TrainingSettings,
    start: Start | None,
    lessons: Lessons | None,
) -> Trainer:
    from dsassist_train.checkpoint import LAST, load_checkpoint
    from dsassist_train.training import Trainer

    device = device_of(args)
    options: dict[str, Any] = {"n_workers": workers_on(device), "lessons": lessons}
    trainer = Trainer(corpus.path, config, settings, device, model=start.model if start else None, **options)
    if (args.out / LAST).exists():
        trainer.restore(load_checkpoint(args.out / LAST), args.out / LAST)
    return trainer
