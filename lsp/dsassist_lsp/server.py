"""The language server: handlers that find the document, the place and the configuration, and delegate the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from dsassist.completion.draft import Draft
from dsassist.completion.place import Place
from dsassist.config import LoadedConfig
from dsassist.index.files import may_be_indexed
from dsassist.ledger.ledger import Ledger
from dsassist.syntax.languages import missing_grammar
from dsassist_lsp import actions, commands, reviews
from dsassist_lsp.acceptance import accept_command
from dsassist_lsp.completions import Asked, Completions
from dsassist_lsp.control import COMPLETION_IS_OFF, Control
from dsassist_lsp.counting import Counting
from dsassist_lsp.documents import SourceDocument, changed_lines, cursor_behind
from dsassist_lsp.engines import EngineOpener, Engines, OpenEngine, open_configured_engine
from dsassist_lsp.explanations import Explanations
from dsassist_lsp.idle_calibration import IdleCalibration
from dsassist_lsp.indexing import Indexing
from dsassist_lsp.invocation import Invocations
from dsassist_lsp.items import inline_item, menu_item
from dsassist_lsp.messages import Messages
from dsassist_lsp.protocol import AnsweringProtocol
from dsassist_lsp.settings import Settings
from dsassist_lsp.status import StatusLine
from dsassist_lsp.suggestions import Suggestion, expect, suggest
from dsassist_lsp.waiting import Answer
from dsassist_lsp.watched_files import WatchedFiles
from dsassist_lsp.workspace_context import WorkspaceContext
from dsassist_runtime.api import GenerationEnd, ModelFacts
from dsassist_runtime.version import __version__

__all__ = ["Server", "create_server"]

_BUSY_S = 0.3  # what takes longer is told of
# What an editor without ghost text should ask after, beside words; a space would bring up its menu all the time.
_TRIGGER_CHARACTERS = [".", "(", "["]


class Server(LanguageServer):
    """What is held for the one client of this process."""

    protocol: AnsweringProtocol
    actions: actions.Actions
    commands: commands.Commands
    reviews: reviews.Reviews

    def __init__(self, opener: EngineOpener = open_configured_engine) -> None:
        super().__init__("dsassist", __version__, protocol_cls=AnsweringProtocol)
        self.settings = Settings()
        self.messages = Messages(self)
        self.status = StatusLine(self)
        self.control = Control()
        self.explanations = Explanations()
        self.engines = Engines(opener, self._loading)
        self.context = WorkspaceContext(self._complain, self._index_emptied)
        self.completions = Completions(self.engines, self.context.files, self._written, self._read_ahead)
        self.indexing = Indexing(self)
        self._indexed: set[Path] = set()  # the folders whose index was brought up to date
        self.watched_files = WatchedFiles(self.indexing.refresh)
        self.invocations = Invocations()
        self.counting = Counting(Ledger(self._complain))
        self.calibration = IdleCalibration(self)
        self.protocol.client_spoke = self.calibration.touched
        self._told_of: OpenEngine | None = None  # the engine that the status names
        self.loop: asyncio.AbstractEventLoop | None = None  # from `initialize` on
        self.exit_code = 1  # as the protocol has it: 0 only after a `shutdown`

    def report_server_error(self, error: Exception, _source: object) -> None:
        """Log an error outside a request; pygls would show it in the editor."""
        self.messages.log_error(error)

    async def suggestion(self, uri: str, position: types.Position, **how: Any) -> Suggestion | None:
        """What belongs at a position; None when there is nothing, for whatever reason."""
        busy = asyncio.get_running_loop().call_later(_BUSY_S, self._busy)
        try:
            found = await suggest(self, uri, position, **how)
        except Exception as error:  # the boundary of a request: the editor gets an empty answer, never an error
            self.messages.failed(error)
            self.status.model("error", str(error), reason="")
            return None
        finally:
            busy.cancel()
            if self.status.now.kind == "busy":
                self.status.rest()
        if found is not None:
            self.messages.succeeded()
            if (opened := self.engines.opened(found.loaded)) is not None and opened.note:
                self.messages.say_once(opened.note)
        return found

    def answered(self, asked: Asked, answer: Answer) -> None:
        """A request has its answer: tell the status, and keep what it was made of."""
        opened = self.engines.opened(asked.loaded)
        if answer.draft is None:  # superseded
            return
        self.explanations.keep(asked, answer, opened.name if opened else "")
        if answer.offer is None:
            self.status.model("ready", reason=answer.reason)
        else:
            self.status.model("ready", reason="", latency_ms=round(answer.latency_ms))
        if opened is not self._told_of:  # a configuration file names another model by now
            self._told_of = opened
            self._get_ready(asked.loaded)

    def show_refusal(self, reason: str) -> None:
        """Nothing is shown here, and why."""
        self.status.set(kind="snoozed" if reason == "snoozed" else "off", message=reason, reason=reason)

    def show_rest(self) -> None:
        """Tell what holds where nothing else is to be told."""
        if self.configuration(self.main_folder()).config.completion.enabled:
            self.status.rest()
        else:
            self.show_refusal(COMPLETION_IS_OFF)

    def hint_missing_grammar(self, place: Place) -> None:
        """Say, once, that what is shown in this language is not checked."""
        if place.language is not None and (sentence := missing_grammar(place.language)) is not None:
            self.status.hint(f"grammar of {place.language}", sentence)

    def configuration(self, folder: Path) -> LoadedConfig:
        """What holds in a folder; the user is told of what is wrong with it."""
        loaded = self.settings.loaded(folder)
        self.messages.notices(loaded.notices)
        return loaded

    def warm_up(self) -> None:
        """Have the model ready before the first keystroke; only log and status are told when that fails."""
        loaded = self.configuration(self.main_folder())
        if loaded.config.completion.enabled:
            self._get_ready(loaded)
        else:
            self.show_refusal(COMPLETION_IS_OFF)

    def build_indexes(self) -> None:
        """Read the workspace's folders, where completions may show parts of other files to the model."""
        roots = self.indexed_roots()
        self._indexed &= set(roots)  # what happened to one that was away was not watched
        for root in roots:
            if root not in self._indexed:
                self._indexed.add(root)
                self.indexing.build(root)
        if roots:
            self.watched_files.register(self)

    def indexed_roots(self) -> list[Path]:
        """The folders that have an index, as the configuration stands now."""
        roots = []
        for folder in self.folders():
            loaded = self.configuration(folder)
            options, root = loaded.config.completion, loaded.root
            if options.enabled and options.context and root is not None and may_be_indexed(root):
                roots.append(root)
        return roots

    def asks_inline(self) -> bool:
        """Whether this client shows ghost text."""
        text_document = self.client_capabilities.text_document
        return text_document is not None and text_document.inline_completion is not None

    def reads_markdown(self) -> bool:
        """Whether what stands beside an entry of this client's menu may be Markdown."""
        text_document = self.client_capabilities.text_document
        completion = text_document.completion if text_document is not None else None
        item = completion.completion_item if completion is not None else None
        return types.MarkupKind.Markdown in ((item.documentation_format if item is not None else None) or ())

    def folder_of(self, uri: str) -> Path:
        """The workspace's folder that holds a document (the innermost), else the document's own."""
        path = to_fs_path(uri)
        if path is None:  # not saved yet, or not a file
            return self.main_folder()
        holding = [folder for folder in self.folders() if folder in Path(path).parents]
        return max(holding, key=lambda folder: len(folder.parts), default=Path(path).parent)

    def main_folder(self) -> Path:
        """The first folder of the workspace."""
        return next(iter(self.folders()), Path.cwd())

    def folders(self) -> list[Path]:
        """The workspace's folders."""
        paths = [to_fs_path(folder.uri) for folder in self.workspace.folders.values()]
        return [Path(path) for path in (*paths, self.workspace.root_path) if path]

    def _busy(self) -> None:
        if self.status.now.kind in ("ready", "off"):
            self.status.set(kind="busy", message="a completion is being written")

    def _loading(self, share: float) -> None:
        if share < 1:
            self.status.model("loading", "the model is being loaded", percent=round(100 * share))
        else:
            self.status.model("ready", percent=None)

    def _get_ready(self, loaded: LoadedConfig) -> None:
        """Have the model loaded that a configuration names, and tell of it."""
        self.engines.warm_up(loaded, lambda facts: self._ready(loaded, facts), self._not_ready)

    def _ready(self, loaded: LoadedConfig, facts: ModelFacts) -> None:
        self._told_of = self.engines.opened(loaded)
        self.status.model("ready", model=self._told_of.name if self._told_of else facts.name, percent=None)
        self.status.hint("code actions", self._hidden_actions(loaded, facts))

    def _hidden_actions(self, loaded: LoadedConfig, facts: ModelFacts) -> str | None:
        from dsassist.chat_actions.instruct import hidden_test_reason  # `initialize` need not wait for it

        if (reason := self.actions.hidden_reason(loaded)) is not None:
            return f"code actions are hidden: {reason}"
        if (reason := hidden_test_reason(facts)) is not None:
            return f"the code action for tests is hidden: {reason}"
        return None

    def _not_ready(self, error: Exception) -> None:
        self.messages.log_error(error)
        self.status.model("error", str(error), percent=None)

    def _written(self, asked: Asked, draft: Draft) -> None:
        self.counting.written(asked, draft, self._model_of(asked))

    def _read_ahead(self, asked: Asked, end: GenerationEnd) -> None:
        self.counting.read_ahead(asked, self._model_of(asked), end)

    def _model_of(self, asked: Asked) -> str:
        opened = self.engines.opened(asked.loaded)
        return opened.name if opened else ""

    def _complain(self, sentence: str) -> None:
        """Log what is wrong with the ledger or the index; called in any thread."""
        self._in_loop(lambda: self.messages.log(sentence, types.MessageType.Warning))

    def _index_emptied(self, root: Path) -> None:
        """Have an index that was damaged built again; called in any thread."""
        self._in_loop(lambda: self.indexing.build(root))

    def _in_loop(self, what: Callable[[], None]) -> None:
        if self.loop is not None:
            with suppress(RuntimeError):  # the event loop has ended meanwhile
                self.loop.call_soon_threadsafe(what)


def create_server(opener: EngineOpener = open_configured_engine) -> Server:
    """A server with its handlers, ready for `start_io`."""
    server = Server(opener)
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.SHUTDOWN)(shutdown)
    server.feature(types.EXIT)(exit_)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE)(did_save)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)
    server.feature("textDocument/didShowCompletion")(did_show_completion)
    server.feature("textDocument/didPartiallyAcceptCompletion")(did_partially_accept_completion)
    # Without the options pygls does not advertise it, and then no client asks.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(inline_completion)
    menu = types.CompletionOptions(trigger_characters=_TRIGGER_CHARACTERS)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, menu)(completion)
    server.commands = commands.register(server)
    server.actions = actions.register(server)
    server.reviews = reviews.register(server)
    return server


async def inline_completion(ls: Server, params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
    """Ghost text at the cursor."""
    found = await ls.suggestion(
        params.text_document.uri,
        params.position,
        by_hand=params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked,
        selected=params.context.selected_completion_info,
    )
    if found is None:
        return []
    return [
        inline_item(offer, found.cursor, found.document, accept_command(number), found.selected)
        for offer, number in zip(found.offers, found.ids, strict=True)
    ]


async def completion(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    """The same text as an entry of the menu, for clients that cannot show ghost text.

    The others ask for both at each keystroke: the same text would be written twice and stand there twice.
    """
    if ls.asks_inline():
        return []
    uri = params.text_document.uri
    by_hand = ls.invocations.is_by_hand(uri, params.context)
    found = await ls.suggestion(uri, params.position, by_hand=by_hand, has_one=True)
    if found is None:
        return []
    command = accept_command(found.ids[0])
    return [menu_item(found.offers[0], found.cursor, found.document, command, with_markdown=ls.reads_markdown())]


def did_show_completion(ls: Server, params: Any) -> None:
    """The client says what it has shown."""
    ls.counting.acceptance.did_show(getattr(params, "item", None))


def did_partially_accept_completion(ls: Server, params: Any) -> None:
    """A word or a line of the item was taken."""
    ls.counting.acceptance.did_accept_partly(getattr(params, "item", None), getattr(params, "acceptedLength", None))


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Keep the client's settings; nothing slow happens before the answer."""
    ls.loop = asyncio.get_running_loop()
    ls.settings.initialize(params.initialization_options)


def initialized(ls: Server, _params: types.InitializedParams) -> None:
    """Get the model and the indexes ready while the user still reads."""
    ls.warm_up()
    ls.build_indexes()


def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    """Take new settings; another model is loaded at once, and what was written under the old ones is forgotten."""
    ls.settings.change(params.settings)
    ls.completions.stop_all()
    ls.warm_up()
    ls.build_indexes()
    ls.reviews.review_again()


def did_change_workspace_folders(ls: Server, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Index a folder that was added; pygls has put it beside the others."""
    ls.build_indexes()


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Put a document of ours in the place of pygls' own."""
    item, workspace = params.text_document, ls.workspace
    workspace.text_documents[unquote(item.uri)] = SourceDocument(item, workspace.position_encoding)
    ls.context.opened(item.uri, to_fs_path(item.uri) or "", item.text)
    ls.reviews.opened(item.uri)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Stop what is being written for the text as it was, unless just that was typed."""
    uri = params.text_document.uri
    ls.invocations.edited(uri)
    document = ls.workspace.text_documents.get(unquote(uri))
    place = None
    if isinstance(document, SourceDocument):
        if (offset := cursor_behind(document, params.content_changes)) is not None:
            place = Place(document.source, offset, to_fs_path(uri) or "", document.language_id or "")
        ls.counting.acceptance.did_change(uri, document.source)
        lines = changed_lines(document, params.content_changes)
        ls.context.changed(uri, to_fs_path(uri) or "", document.source, lines)
        ls.reviews.changed(document)
    ls.completions.changed(uri, place)
    if place is not None:
        expect(ls, uri, place)


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Stop what is being written for a document that nobody sees."""
    ls.completions.forget(params.text_document.uri)
    ls.invocations.closed(params.text_document.uri)
    ls.counting.acceptance.did_close(params.text_document.uri)
    ls.context.closed(params.text_document.uri, to_fs_path(params.text_document.uri) or "")
    ls.reviews.closed(params.text_document.uri)


def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    """What is on disk now is what a commit can hold."""
    uri = params.text_document.uri
    ls.counting.acceptance.did_save(uri)
    if path := to_fs_path(uri):
        ls.watched_files.saved(Path(path))
        ls.context.saved(Path(path), ls.configuration(ls.folder_of(uri)))
    ls.reviews.saved(uri)


def did_change_watched_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """Files were changed by others than this editor."""
    ls.watched_files.changed(params.changes, ls.indexed_roots())


def shutdown(ls: Server, *_params: object) -> None:
    """Note that the client says goodbye; pygls cancels the requests in flight."""
    ls.exit_code = 0
    ls.completions.stop_all()
    ls.commands.stop()
    ls.reviews.stop()
    ls.calibration.stop()
    ls.counting.acceptance.close()
    ls.watched_files.stop()
    ls.indexing.stop()
    ls.context.close()


def exit_(ls: Server, *_params: object) -> None:
    """Say no more: pygls closes the stream next."""
    ls.protocol.client_has_gone = True
