"""The language server: handlers that find the document, the place and the configuration, and delegate the rest."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from dsassist.config import LoadedConfig
from dsassist.documents import LIMIT_BYTES
from dsassist_lsp.completions import Completions, EngineOpener, open_configured_engine
from dsassist_lsp.documents import Cursor, SourceDocument, cursor_in
from dsassist_lsp.items import inline_item, menu_item
from dsassist_lsp.messages import Messages
from dsassist_lsp.protocol import AnsweringProtocol
from dsassist_lsp.settings import Settings
from dsassist_runtime.version import __version__

__all__ = ["Server", "create_server"]

# What an editor without ghost text should ask after, beside words; a space would bring up its menu all the time.
_TRIGGER_CHARACTERS = [".", "(", "["]


class Server(LanguageServer):
    """What is held for the one client of this process."""

    protocol: AnsweringProtocol

    def __init__(self, opener: EngineOpener = open_configured_engine) -> None:
        super().__init__("dsassist", __version__, protocol_cls=AnsweringProtocol)
        self.completions = Completions(opener)
        self.settings = Settings()
        self.messages = Messages(self)
        self.exit_code = 1  # as the protocol has it: 0 only after a `shutdown`

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log an error outside a request; pygls would show it in the editor."""
        self.messages.log(f"{getattr(source, '__name__', source)}: {error}", types.MessageType.Error)

    async def suggestion(self, uri: str, position: types.Position) -> tuple[str, Cursor] | None:
        """The text that belongs at a position, and where that is; None when there is nothing, for whatever reason."""
        try:
            return await self._suggestion(uri, position)
        except Exception as error:  # the boundary of a request: the editor gets an empty answer, never an error
            self.messages.failed(error)
            return None

    async def _suggestion(self, uri: str, position: types.Position) -> tuple[str, Cursor] | None:
        loaded = self.configuration(self._folder_of(uri))
        document = self.workspace.text_documents.get(unquote(uri))
        if not loaded.config.completion.enabled or not isinstance(document, SourceDocument):
            return None
        source = document.source
        if _is_large(source):
            limit = LIMIT_BYTES // (1024 * 1024)
            self.messages.say_once(f"{document.filename} is above {limit} MB and is not completed")
            return None
        cursor = cursor_in(document, position)
        text = await self.completions.complete(uri, source, cursor.offset, loaded)
        if not text.strip():
            return None
        self.messages.succeeded()
        if note := self.completions.note(loaded):
            self.messages.say_once(note)
        return text, cursor

    def configuration(self, folder: Path) -> LoadedConfig:
        """What holds in a folder; the user is told of what is wrong with it."""
        loaded = self.settings.loaded(folder)
        self.messages.notices(loaded.notices)
        return loaded

    def warm_up(self) -> None:
        """Have the model ready before the first keystroke; only the log is told when that fails."""
        loaded = self.configuration(self._main_folder())
        if loaded.config.completion.enabled:
            self.completions.warm_up(loaded, self.messages.log_error)

    def asks_inline(self) -> bool:
        """Whether this client shows ghost text."""
        text_document = self.client_capabilities.text_document
        return text_document is not None and text_document.inline_completion is not None

    def _folder_of(self, uri: str) -> Path:
        """The workspace's folder that holds a document (the innermost), else the document's own."""
        path = to_fs_path(uri)
        if path is None:  # not saved yet, or not a file
            return self._main_folder()
        holding = [folder for folder in self._folders() if folder in Path(path).parents]
        return max(holding, key=lambda folder: len(folder.parts), default=Path(path).parent)

    def _main_folder(self) -> Path:
        return next(iter(self._folders()), Path.cwd())

    def _folders(self) -> list[Path]:
        paths = [to_fs_path(folder.uri) for folder in self.workspace.folders.values()]
        return [Path(path) for path in (*paths, self.workspace.root_path) if path]


def create_server(opener: EngineOpener = open_configured_engine) -> Server:
    """A server with its handlers, ready for `start_io`."""
    server = Server(opener)
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.SHUTDOWN)(shutdown)
    server.feature(types.EXIT)(exit_)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    # Without the options pygls does not advertise it, and then no client asks.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(inline_completion)
    menu = types.CompletionOptions(trigger_characters=_TRIGGER_CHARACTERS)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, menu)(completion)
    return server


async def inline_completion(ls: Server, params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
    """Ghost text at the cursor."""
    found = await ls.suggestion(params.text_document.uri, params.position)
    return [inline_item(*found)] if found else []


async def completion(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    """The same text as an entry of the menu, for clients that cannot show ghost text.

    The others ask for both at each keystroke, and cannot say that a menu was opened by hand (`Invoked` is also what
    typing a word sends): the same text would be written twice and stand there twice.
    """
    if ls.asks_inline():
        return []
    found = await ls.suggestion(params.text_document.uri, params.position)
    return [menu_item(*found)] if found else []


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Keep the client's settings; nothing slow happens before the answer."""
    ls.settings.initialize(params.initialization_options)


def initialized(ls: Server, _params: types.InitializedParams) -> None:
    """Get the model ready while the user still reads."""
    ls.warm_up()


def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    """Take new settings; another model is loaded at once."""
    ls.settings.change(params.settings)
    ls.warm_up()


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Put a document of ours in the place of pygls' own."""
    item, workspace = params.text_document, ls.workspace
    workspace.text_documents[unquote(item.uri)] = SourceDocument(item, workspace.position_encoding)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Stop what is being written for the text as it was: it would not fit."""
    ls.completions.forget(params.text_document.uri)


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Stop what is being written for a document that nobody sees."""
    ls.completions.forget(params.text_document.uri)


def shutdown(ls: Server, *_params: object) -> None:
    """Note that the client says goodbye; pygls cancels the requests in flight."""
    ls.exit_code = 0


def exit_(ls: Server, *_params: object) -> None:
    """Say no more: pygls closes the stream next."""
    ls.protocol.client_has_gone = True


def _is_large(source: str) -> bool:
    # A character has at most 4 bytes, so most documents need not be encoded to know.
    return len(source) * 4 > LIMIT_BYTES and len(source.encode("utf-8", "surrogatepass")) > LIMIT_BYTES
