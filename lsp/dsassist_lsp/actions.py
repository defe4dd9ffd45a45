"""Code actions that ask the model: explain, write docstring, write test, fix this diagnostic.

They are commands and no `codeAction/resolve`: an answer takes seconds, and while an editor resolves it shows a frozen
menu, whereas a command has a progress that can be watched and cancelled. A command is answered at once and goes on by
itself, because some clients wait for its answer and do nothing else meanwhile (Eglot, for at most ten seconds).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path

from dsassist.config import LoadedConfig
from dsassist_lsp.action_edits import WorkspaceEdits
from dsassist_lsp.action_progress import ActionProgress, Answer
from dsassist_lsp.documents import SourceDocument, cursor_in
from dsassist_runtime.errors import DsassistError, NotDone

if TYPE_CHECKING:
    from dsassist.chat_actions.code import Code
    from dsassist.chat_actions.instruct import ChatEngine
    from dsassist.chat_actions.outcome import Asking, Subject
    from dsassist_lsp.server import Server

__all__ = ["Actions", "register"]

_LONGEST_DOCUMENT = 200_000  # characters; a longer one would take too long to parse at each move of the cursor
_MOST_ANSWER_TOKENS = 512


@dataclass(frozen=True)
class _Kind:
    command: str
    title: str
    kind: str
    progress: str


_EXPLAIN = _Kind("dsassist.explain", "Explain", "dsassist.explain", "Explaining")
_DOCSTRING = _Kind("dsassist.writeDocstring", "Write docstring", "refactor.dsassist.docstring", "Writing a docstring")
_TEST = _Kind("dsassist.writeTest", "Write test", "refactor.dsassist.test", "Writing a test")
_FIX = _Kind("dsassist.fixDiagnostic", "Fix", "quickfix", "Fixing")
_KINDS = {each.command: each for each in (_EXPLAIN, _DOCSTRING, _TEST, _FIX)}


class Actions:
    """What is offered, and the commands under way. All methods are called in the event loop's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._running: set[asyncio.Task[None]] = set()
        self._edits = WorkspaceEdits(server)
        self._parsed: tuple[str, Code | None] | None = None

    @property
    def is_busy(self) -> bool:
        """Is a command under way?"""
        return bool(self._running)

    def hidden_reason(self, loaded: LoadedConfig) -> str | None:
        """Why nothing is offered, for the status; None when the actions are there."""
        from dsassist.chat_actions.instruct import hidden_reason

        opened = self._server.engines.opened(loaded)
        return hidden_reason(opened.facts) if opened and opened.facts else "the model is not loaded yet"

    def _hidden_test_reason(self, loaded: LoadedConfig) -> str | None:
        from dsassist.chat_actions.instruct import hidden_test_reason

        opened = self._server.engines.opened(loaded)
        return hidden_test_reason(opened.facts) if opened and opened.facts else None

    def offered(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """The actions at a place, by the text alone; the model is not asked."""
        document = self._document(params.text_document.uri)
        if document is None or len(document.source) > _LONGEST_DOCUMENT:
            return []
        if self.hidden_reason(self._loaded(document)) is not None:
            return []
        subject, code = self._subject(document, params.range)
        definition = code.definition_at(subject.start, subject.end) if code else None
        found = []
        if definition is not None or subject.text[subject.start : subject.end].strip():
            found.append(self._action(_EXPLAIN, document, params.range, definition.name if definition else "selection"))
        if code is not None:
            if definition is not None:
                found.append(self._action(_DOCSTRING, document, params.range, definition.name))
                writes_tests = self._hidden_test_reason(self._loaded(document)) is None
                if writes_tests and self._has_test_layout(subject, code):
                    found.append(self._action(_TEST, document, params.range, definition.name))
            ours = [each for each in params.context.diagnostics if not (each.source or "").startswith("dsassist")]
            found += [self._action(_FIX, document, each.range, _short(each.message), each) for each in ours]
        return found

    def start(self, command: str, arguments: Any) -> None:
        """Begin what a command asks for; it goes on in a task of its own, which tells the user how it ended."""
        task = asyncio.get_running_loop().create_task(self._run(_KINDS[command], arguments))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, kind: _Kind, arguments: Any) -> None:
        from dsassist.chat_actions.outcome import budget_tokens

        progress = ActionProgress(self._server)
        try:
            uri, version, place, message = _checked(arguments)
            document = self._document(uri)
            if document is None:
                raise NotDone("open the file in the editor first")
            if version is not None and document.version != version:
                raise NotDone("the file was edited meanwhile; ask again")
            version, loaded = document.version, self._loaded(document)
            if (reason := self.hidden_reason(loaded)) is not None:
                raise NotDone(reason)
            subject, code = self._subject(document, place)
            if kind is _TEST and (reason := self._hidden_test_reason(loaded)) is not None:
                raise NotDone(reason)
            opened = self._server.engines.get(loaded)  # a model that is not hidden is open
            assert opened.facts is not None, "a hidden action is not run"
            budget = budget_tokens(opened.speed.prefill_tokens_per_s, opened.facts.n_ctx, _MOST_ANSWER_TOKENS)
            # In a thread, because test folders are looked through.
            asking = await asyncio.to_thread(_asking, kind, subject, code, budget, message)
            await progress.begin(f"dsassist: {kind.progress}")
            answer = Answer(opened.chats or cast("ChatEngine", opened.engine), asking.request)
            progress.on_cancel(answer.close)
            text = await answer.read(lambda written: progress.report(written, asking.request.max_tokens))
            if answer.end is None:  # cancelled
                return
            opened.speed.saw(answer.end)
            outcome = await asyncio.to_thread(asking.finish, text)
            await self._edits.show(outcome, document, version, kind.title)
        except DsassistError as error:
            self._edits.say(f"{kind.title}: {error}", types.MessageType.Warning)
        except Exception as error:  # the boundary of a command: what is our own fault stands in the log
            self._server.messages.log_error(error)
        finally:
            progress.end()

    def _action(
        self,
        kind: _Kind,
        document: SourceDocument,
        place: types.Range,
        what: str,
        diagnostic: types.Diagnostic | None = None,
    ) -> types.CodeAction:
        argument = {"uri": document.uri, "version": document.version, "range": _plain(place)}
        if diagnostic is not None:
            argument["message"] = diagnostic.message
        title = f"dsassist: {kind.title}: {what}" if kind is _FIX else f"dsassist: {kind.title} ({what})"
        return types.CodeAction(
            title=title,
            kind=kind.kind,
            diagnostics=[diagnostic] if diagnostic else None,
            command=types.Command(title=title, command=kind.command, arguments=[argument]),
        )

    def _has_test_layout(self, subject: Subject, code: Code) -> bool:
        from dsassist.chat_actions.layout import has_layout

        return has_layout(subject, code.language)

    def _subject(self, document: SourceDocument, place: types.Range) -> tuple[Subject, Code | None]:
        from dsassist.chat_actions.code import Code
        from dsassist.chat_actions.outcome import Subject

        text = document.source
        path = to_fs_path(document.uri) if document.uri.startswith("file:") else None
        subject = Subject(
            text,
            cursor_in(document, place.start).offset,
            cursor_in(document, place.end).offset,
            path or "",
            document.language_id or "",
            self._server.folder_of(document.uri) if path else None,
            self._edits.text_of,
        )
        if self._parsed is None or self._parsed[0] is not text:  # an editor asks at each move of the cursor
            self._parsed = text, Code.of(text, subject.path, subject.language_id)
        return subject, self._parsed[1]

    def _document(self, uri: str) -> SourceDocument | None:
        found = self._server.workspace.text_documents.get(unquote(uri))
        return found if isinstance(found, SourceDocument) else None

    def _loaded(self, document: SourceDocument) -> LoadedConfig:
        return self._server.configuration(self._server.folder_of(document.uri))


def register(server: Server) -> Actions:
    """Add the actions and their commands to a server, before it starts."""
    actions = Actions(server)

    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        found: list[types.CodeAction] = []
        for offered in (server.reviews.actions, actions.offered):
            try:
                found += offered(params)
            except Exception as error:  # the boundary of a request: the editor gets less, never an error
                server.messages.log_error(error)
        return [each for each in found if _is_wanted(each.kind, params.context.only)]

    kinds = [each.kind for each in _KINDS.values()]
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=kinds))(code_action)
    for command in _KINDS:
        server.command(command)(_command(actions, command))
    return actions


def _asking(kind: _Kind, subject: Subject, code: Code | None, budget: int, message: str) -> Asking:
    from dsassist.chat_actions.docstring import ask_for_docstring
    from dsassist.chat_actions.explain import ask_for_explanation
    from dsassist.chat_actions.fix import ask_for_fix
    from dsassist.chat_actions.unit_test import ask_for_test

    if kind is _EXPLAIN:
        return ask_for_explanation(subject, code, budget)
    if code is None:
        raise NotDone("there is no grammar for this language; only Explain works here")
    if kind is _DOCSTRING:
        return ask_for_docstring(subject, code, budget)
    return ask_for_test(subject, code, budget) if kind is _TEST else ask_for_fix(subject, code, budget, message)


def _command(actions: Actions, command: str) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        actions.start(command, arguments)

    return run


def _checked(arguments: Any) -> tuple[str, int | None, types.Range, str]:
    """The one argument of a command, which came through a client: uri, version, range, message of the diagnostic."""
    try:
        (given,) = arguments
        start, end = given["range"]["start"], given["range"]["end"]
        place = types.Range(
            types.Position(int(start["line"]), int(start["character"])),
            types.Position(int(end["line"]), int(end["character"])),
        )
        version = given.get("version")
        return str(given["uri"]), None if version is None else int(version), place, str(given.get("message", ""))
    except (TypeError, ValueError, KeyError, AttributeError):
        raise NotDone("choose it from the code actions of a file; it needs a place in one") from None


def _plain(place: types.Range) -> dict[str, Any]:
    return {
        "start": {"line": place.start.line, "character": place.start.character},
        "end": {"line": place.end.line, "character": place.end.character},
    }


def _is_wanted(kind: Any, only: Any) -> bool:
    """Whether the client asked for this kind: "refactor" asks for all below it."""
    name, *wanted = (str(getattr(each, "value", each)) for each in (kind, *(only or ())))
    return not wanted or any(each in ("", name) or name.startswith(f"{each}.") for each in wanted)


def _short(message: str) -> str:
    line = message.strip().split("\n")[0]
    return line if len(line) <= 60 else f"{line[:59]}…"
