"""The reviews of the open documents: when one begins, what of its findings still stands, and how it is shown.

A document is reviewed when it is opened and when it is saved, never at a key. A key moves findings with their lines and
takes away those whose lines it changed. What the model is asked has the lowest priority, so that no completion waits,
and goes into the store of answers, where the hook finds it when the document is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path

from dsassist.config import LoadedConfig, is_address
from dsassist_lsp.action_edits import WorkspaceEdits
from dsassist_lsp.diagnostics import Understood, diagnostic_of, rules_page
from dsassist_lsp.document_review import DocumentReview, Snapshot, Step
from dsassist_lsp.documents import SourceDocument
from dsassist_lsp.finding_actions import DISMISS, WHY, actions_of, named_finding
from dsassist_lsp.jobs import Workers
from dsassist_lsp.line_map import LineMap
from dsassist_lsp.placed import Placed
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["Reviews", "register"]

REVIEW_FILE = "dsassist.reviewFile"
UNDO = "dsassist.undoDismissal"

Report = types.RelatedFullDocumentDiagnosticReport | types.RelatedUnchangedDocumentDiagnosticReport

_CHOOSE = "choose it from the actions of a finding, which may be gone meanwhile"


@dataclass(eq=False)
class _Watched:
    """What is known of a document: findings, and the lines that they stand at; the review under way."""

    uri: str
    placed: tuple[Placed, ...] = ()
    lines: list[str] = field(default_factory=list)
    root: Path | None = None
    review: DocumentReview | None = None
    shown: tuple[Placed, ...] = ()
    n_shown: int = 0  # how often what is shown was another

    def stop(self) -> None:
        if self.review is not None:
            self.review.close()
            self.review = None


class Reviews:
    """Implements `document_review.Listener`. All methods are called in the event loop's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._edits = WorkspaceEdits(server)
        # What needs no model must not wait for a question that another document has put, nor a newer save for the
        # one that an older has put: the engine cannot be told that nobody wants the answer any more.
        self._looking, self._asking = Workers(1, "review"), Workers(2, "review-model")
        self._watched: dict[str, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._page: str | None = None
        self._understood: Understood | None = None

    @property
    def is_busy(self) -> bool:
        """Is anything under review?"""
        return any(watched.review is not None for watched in self._watched.values())

    # What the editor tells

    def opened(self, uri: str) -> None:
        """A document is open: review it, unless it is not to be."""
        self._begin(uri)

    def saved(self, uri: str) -> None:
        """What stands in the document now may be committed next."""
        self._begin(uri, is_urgent=True)

    def changed(self, document: SourceDocument) -> None:
        """Move the findings of an edited document with their lines."""
        watched = self._of_uri(document.uri)
        if watched is not None and watched.placed:
            self._keep(watched, watched.placed, watched.lines, document)
            self._show(watched, is_news=False)

    def closed(self, uri: str) -> None:
        """Nobody sees the document."""
        watched = self._watched.pop(unquote(uri), None)
        if watched is not None:
            watched.stop()
            watched.placed = ()
            self._show(watched, is_news=False)
            self._tell_status()

    def review_again(self) -> None:
        """Something changed that decides about all findings."""
        for watched in list(self._watched.values()):
            self._begin(watched.uri)

    def quiet(self) -> None:
        """Show nothing, until the next review."""
        for watched in self._watched.values():
            self._clear(watched)

    def stop(self) -> None:
        """The client goes."""
        for watched in self._watched.values():
            watched.stop()

    def report(self, params: types.DocumentDiagnosticParams) -> Report:
        """The diagnostics of a document, for a client that pulls them; what is under way follows by a refresh."""
        watched = self._of_uri(params.text_document.uri)
        if watched is None or not self._client.pulls:
            return types.RelatedFullDocumentDiagnosticReport([])
        result = str(watched.n_shown)
        if params.previous_result_id == result:
            return types.RelatedUnchangedDocumentDiagnosticReport(result)
        return types.RelatedFullDocumentDiagnosticReport(self._diagnostics(watched), result_id=result)

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be done about the findings at a place."""
        uri = params.text_document.uri
        watched, document = self._of_uri(uri), self._document(uri)
        if watched is None or document is None:
            return []
        workspace = self._server.client_capabilities.workspace
        known = workspace.workspace_edit if workspace else None
        versioned = bool(known and known.document_changes)
        return [
            action
            for placed, diagnostic in zip(watched.placed, self._diagnostics(watched), strict=True)
            if placed.touches(params.range)
            for action in actions_of(placed, diagnostic, uri, document.version, versioned=versioned)
        ]

    # Commands

    def review_file(self, arguments: Sequence[Any]) -> None:
        """Review all of an open document, also one that is in no repository."""
        given = arguments[0] if arguments else None
        uri = given.get("uri") if isinstance(given, dict) else given
        if not isinstance(uri, str) or self._document(uri) is None:
            self._edits.say("open the file in the editor first, and give its uri", types.MessageType.Warning)
        elif (reason := self._begin(uri, by_hand=True, is_urgent=True)) is not None:
            self._edits.say(f"{Path(unquote(uri)).name} is not reviewed: {reason}", types.MessageType.Warning)

    def why(self, arguments: Sequence[Any]) -> None:
        """Show what speaks for a finding."""
        from dsassist.chat_actions.outcome import Explanation
        from dsassist.review.dismissals import read_dismissals
        from dsassist_lsp.finding_evidence import why

        watched, placed = self._named(arguments)
        document = None if watched is None else self._document(watched.uri)
        if placed is None or document is None:
            self._edits.say(_CHOOSE, types.MessageType.Warning)
            return
        text = why(placed.finding, placed.readings, read_dismissals())
        explanation = Explanation(f"{placed.finding.code} {placed.finding.fingerprint}", text)
        self._start(self._edits.show(explanation, document, document.version, "Why"))

    def dismiss(self, arguments: Sequence[Any]) -> None:
        """Take a finding away for good, and ask for more evidence from its family from now on."""
        from dsassist.review.dismissals import dismiss

        watched, placed = self._named(arguments)
        if watched is None or placed is None or watched.root is None:
            self._edits.say(_CHOOSE, types.MessageType.Warning)
            return
        family = placed.finding.family
        raised = dismiss(placed.finding, watched.root).raised_nats.get(family, 0.0)
        watched.placed = tuple(each for each in watched.placed if each is not placed)
        self._show(watched, is_news=True)
        by = f"; findings of the family {family} need {raised:.1f} nats more now" if raised else ""
        self._edits.say(f"dismissed{by} (the command {UNDO} takes that back)")

    def undo(self) -> None:
        """Take the latest dismissal back."""
        from dsassist.review.dismissals import undo_last

        last = undo_last()
        if last is None:
            self._edits.say("nothing is dismissed", types.MessageType.Warning)
            return
        self._edits.say(f"no longer dismissed: {last.message}")
        self.review_again()

    # What reviews tell

    def found(self, review: DocumentReview, placed: Sequence[Placed], settled: tuple[str, ...]) -> None:
        """Show what was found, beside what stands and is looked for later."""
        watched, document = self._of(review)
        if watched is None or document is None:
            return
        standing = tuple(each for each in watched.placed if not each.finding.code.startswith(settled))
        self._keep(watched, placed, review.lines, document)
        watched.placed = tuple(sorted((*watched.placed, *standing), key=_place))
        watched.root = review.root
        self._show(watched, is_news=True)

    def looked(self, review: DocumentReview) -> None:
        """Ask the model next. One at an address is asked only by hand: it keeps no answers, and may cost money."""
        snapshot = review.snapshot
        if is_address(snapshot.loaded.config.model) and not snapshot.by_hand:
            self.ended(review, "")
            return
        review.is_asking = True
        self._tell_status()
        self._asking.start(Step(review, review.ask), is_urgent=snapshot.by_hand)

    def ended(self, review: DocumentReview, outcome: str) -> None:
        """Tell who asked by hand."""
        watched, _ = self._of(review)
        if watched is None:
            return
        watched.review = None
        self._tell_status()
        if review.snapshot.by_hand:
            found = len(watched.placed)
            self._edits.say(f"{outcome}: {'1 finding' if found == 1 else f'{found} findings'}")

    def failed(self, review: DocumentReview, error: Exception) -> None:
        """Keep what was found; who asked by hand is told, else it stands in the log."""
        from dsassist.git import NotARepository

        watched, _ = self._of(review)
        if watched is None:
            return
        watched.review = None
        self._tell_status()
        if isinstance(error, NotARepository):  # a file outside of one is only reviewed by hand
            return
        if review.snapshot.by_hand and isinstance(error, DsassistError):
            self._edits.say(f"{review.snapshot.path.name}: {error}", types.MessageType.Warning)
        else:
            self._server.messages.log_error(error)

    # Parts

    def _begin(self, uri: str, *, by_hand: bool = False, is_urgent: bool = False) -> str | None:
        """Begin a review in place of the one under way; the reason where none is wanted."""
        document, path = self._document(uri), to_fs_path(uri) if uri.startswith("file:") else None
        if document is None:
            return "it is not open"
        watched = self._watched.setdefault(unquote(uri), _Watched(uri))
        watched.stop()
        loaded = self._server.configuration(self._server.folder_of(uri))
        if path is None or not Path(path).parent.is_dir():
            self._clear(watched)
            return "it is no file yet; save it first"
        if (reason := self._refusal(loaded, by_hand=by_hand)) is not None:
            self._clear(watched)
            return reason
        encoding = self._server.workspace.position_encoding
        snapshot = Snapshot(uri, Path(path), document.source, encoding, loaded, by_hand)
        watched.review = DocumentReview(snapshot, self._server.engines, self)
        self._server.engines.opened(loaded)  # so that they know the event loop
        self._looking.start(Step(watched.review, watched.review.look), is_urgent=is_urgent)
        return None

    def _refusal(self, loaded: LoadedConfig, *, by_hand: bool) -> str | None:
        if not loaded.config.review.enabled:
            return f"reviews are switched off (review.enabled, {loaded.origins['review.enabled']})"
        return "snoozed" if self._server.control.snoozed_minutes and not by_hand else None

    def _keep(self, watched: _Watched, placed: Sequence[Placed], lines: list[str], document: SourceDocument) -> None:
        """Take over findings at these lines, as far as the lines are the document's still."""
        now = list(document.lines)
        between = LineMap(lines, now)
        moved = (each.moved(between, watched.uri) for each in placed)
        watched.placed = tuple(each for each in moved if each is not None and not each.is_ignored(now))
        watched.lines = now

    def _show(self, watched: _Watched, *, is_news: bool) -> None:
        """Let the client know what stands now; one that pulls asks by itself after an edit, so only `is_news` tells."""
        if watched.placed == watched.shown:
            return
        watched.shown = watched.placed
        watched.n_shown += 1
        if not self._client.pulls:
            document = self._document(watched.uri)
            version = document.version if document is not None else None
            self._server.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(watched.uri, self._diagnostics(watched), version)
            )
        elif is_news:
            self._server.protocol.send_request(types.WORKSPACE_DIAGNOSTIC_REFRESH)

    def _clear(self, watched: _Watched) -> None:
        watched.stop()
        watched.placed = ()
        self._show(watched, is_news=True)
        self._tell_status()

    def _tell_status(self) -> None:
        under_way = (each.review for each in self._watched.values() if each.review is not None)
        names = [review.snapshot.path.name for review in under_way if review.is_asking]
        self._server.status.set(reviewing=names[0] if names else "")

    def _diagnostics(self, watched: _Watched) -> list[types.Diagnostic]:
        document = self._document(watched.uri)
        version = document.version if document is not None else None
        if watched.placed and self._page is None and self._client.links:
            self._page = rules_page()
        return [diagnostic_of(each, version, self._client, self._page) for each in watched.placed]

    def _named(self, arguments: Sequence[Any]) -> tuple[_Watched | None, Placed | None]:
        """The finding that a command names; the fingerprint is its name as long as its statement stays."""
        named = named_finding(arguments)
        watched = self._of_uri(named[0]) if named is not None else None
        if named is None or watched is None:
            return None, None
        return watched, next((each for each in watched.placed if each.finding.fingerprint == named[1]), None)

    def _of(self, review: DocumentReview) -> tuple[_Watched | None, SourceDocument | None]:
        """The document that a review is of, if it is the latest."""
        uri = review.snapshot.uri
        watched = self._of_uri(uri)
        return (watched, self._document(uri)) if watched is not None and watched.review is review else (None, None)

    def _of_uri(self, uri: str) -> _Watched | None:
        return self._watched.get(unquote(uri))

    def _document(self, uri: str) -> SourceDocument | None:
        found = self._server.workspace.text_documents.get(unquote(uri))
        return found if isinstance(found, SourceDocument) else None

    def _start(self, what: Coroutine[Any, Any, None]) -> None:
        """Have something done that waits for the client; a command is answered before."""
        task = asyncio.get_running_loop().create_task(self._done(what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _done(self, what: Coroutine[Any, Any, None]) -> None:
        try:
            await what
        except DsassistError as error:
            self._edits.say(str(error), types.MessageType.Warning)
        except Exception as error:  # the boundary of a command: what is our own fault stands in the log
            self._server.messages.log_error(error)

    @property
    def _client(self) -> Understood:
        if self._understood is None:
            self._understood = Understood.by(self._server.client_capabilities)
        return self._understood


def register(server: Server) -> Reviews:
    """Add the reviews with their commands to a server, before it starts."""
    reviews = Reviews(server)
    pull = types.DiagnosticOptions(inter_file_dependencies=False, workspace_diagnostics=False, identifier="dsassist")

    def diagnostic(params: types.DocumentDiagnosticParams) -> Report:
        try:
            return reviews.report(params)
        except Exception as error:  # the boundary of a request: the editor gets an empty answer, never an error
            server.messages.log_error(error)
            return types.RelatedFullDocumentDiagnosticReport([])

    server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, pull)(diagnostic)
    commands: dict[str, Callable[[Sequence[Any]], None]] = {
        REVIEW_FILE: reviews.review_file,
        WHY: reviews.why,
        DISMISS: reviews.dismiss,
        UNDO: lambda _arguments: reviews.undo(),
    }
    for name, run in commands.items():
        server.command(name)(_command(server, run))
    return reviews


def _command(server: Server, run: Callable[[Sequence[Any]], None]) -> Callable[..., None]:
    def execute(*arguments: Any) -> None:
        try:
            run(arguments)
        except DsassistError as error:  # a state directory that cannot be written, for one
            server.messages.failed(error)

    return execute


def _place(placed: Placed) -> tuple[int, int, str, str]:
    finding = placed.finding
    return placed.range.start.line, placed.range.start.character, finding.code, finding.message
