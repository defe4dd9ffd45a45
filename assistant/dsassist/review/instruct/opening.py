"""From the configuration to an instruct reviewer: which model is asked, and why one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

from dsassist import git, output
from dsassist.answers.scores import remembering
from dsassist.answers.store import AnswerStore, answers_path
from dsassist.chat_actions.instruct import ChatEngine, hidden_reason, probe_if_unknown
from dsassist.config import LoadedConfig
from dsassist.engine import open_engine, resolved_model
from dsassist.review.calibration.current import thresholds_for
from dsassist.review.calibration.drawing import drawn_tasks
from dsassist.review.changes import Changes
from dsassist.review.instruct.asking import Model
from dsassist.review.instruct.reviewer import InstructReviewer
from dsassist.review.instruct.trial import read_trial
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import Engine, ModelFacts
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models.store import ResolvedModel

__all__ = ["open_instruct_reviewer"]


def open_instruct_reviewer(
    loaded: LoadedConfig,
    changes: Changes,
    opened: ExitStack,
    engine_of: Callable[[LoadedConfig], Engine] | None = None,
) -> InstructReviewer:
    """The reviewer of a change; nothing is asked before it is called. `opened` closes the engine that it opens.

    `engine_of` opens the engine, which is the configured one when not given.
    """

    def open_model() -> Model:
        model = resolved_model(loaded)
        if model.kind == "remote":
            raise NotDone(f"{model.title} is not asked: only a model whose file is on this machine can be tried")
        engine = (engine_of or open_engine)(loaded)
        opened.enter_context(closing(engine))
        chat = cast("ChatEngine", engine)  # any other engine is remote
        facts = _facts(model)
        probe_if_unknown(facts, chat)
        if (reason := hidden_reason(facts)) is not None:
            raise NotDone(reason)
        return Model(
            name=model.title if model.kind == "file" else model.name,
            chat=chat,
            engine=engine if engine_of is not None else remembering(engine, model),
            threshold_nats=thresholds_for(loaded, model).threshold_nats,
            trial=read_trial(model.path, model.lora),
            store=None if engine_of is not None else AnswerStore(answers_path()),
        )

    def tasks() -> Iterable[Task]:
        return drawn_tasks(changes.root or _root(), loaded.config.review.exclude)

    return InstructReviewer(open_model, tasks, output.notice)


def _root() -> Path:
    try:
        return git.repository_root(Path.cwd())
    except DsassistError as error:
        raise NotDone("there is no repository around, on whose functions the model could be tried first") from error


def _facts(model: ResolvedModel) -> ModelFacts:
    """What the model's file tells, so that none is loaded that only completes code."""
    header = read_header(model.path)
    has_template = bool(header.text("tokenizer.chat_template"))
    return ModelFacts(model.title, model.path, header.architecture, 0, 0, 0, (), has_template, lora_path=model.lora)
