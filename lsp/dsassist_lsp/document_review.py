"""One review of a document, in threads: first what needs no model, then what the model finds.

Knows documents as texts with a path. What it finds is told in the event loop's thread as soon as it is known, each
time with the codes of which nothing else is to be found in this text.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lsprotocol import types

from dsassist.config import LoadedConfig
from dsassist_lsp.engines import Engines, OpenEngine
from dsassist_lsp.placed import Placed, Placer
from dsassist_runtime.api import Priority
from dsassist_runtime.errors import NotDone

if TYPE_CHECKING:
    from dsassist.review.changes import ChangedFile, Changes
    from dsassist.review.dismissals import Dismissals
    from dsassist.review.findings import Finding
    from dsassist.review.reviewer import Judge
    from dsassist.secrets import SecretSpan
    from dsassist_lsp.finding_evidence import Answered

__all__ = ["DocumentReview", "Listener", "Snapshot", "Step"]

_LONGEST_S = 600.0


@dataclass(frozen=True)
class Snapshot:
    """What is reviewed: a document's text as it was, all of it where it is asked for `by_hand`, else what changed."""

    uri: str
    path: Path
    text: str
    encoding: types.PositionEncodingKind | str | None
    loaded: LoadedConfig
    by_hand: bool = False


class Listener(Protocol):
    """Who is told; in the event loop's thread, and not any more once the review is closed."""

    def found(self, review: DocumentReview, placed: Sequence[Placed], settled: tuple[str, ...], /) -> None:
        """These are all findings whose codes begin with one of `settled`."""

    def looked(self, review: DocumentReview, /) -> None:
        """What needs no model is done; `ask` may follow."""

    def ended(self, review: DocumentReview, outcome: str, /) -> None:
        """All is done; in a sentence, what was."""

    def failed(self, review: DocumentReview, error: Exception, /) -> None:
        """It came to its end early."""


class _Closed(Exception):
    """Unwinds a review that was closed."""


@dataclass(frozen=True)
class Step:
    """A part of a review for `jobs.Workers`."""

    review: DocumentReview
    run: Callable[[], None]

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants it any more."""
        return self.review.is_closed

    def work(self) -> None:
        """Do it."""
        self.run()


@dataclass(frozen=True)
class _File:
    """The file that the document is, without its secrets, and what is known of its repository."""

    changes: Changes
    masked: ChangedFile
    secrets: tuple[SecretSpan, ...]
    dismissals: Dismissals
    baseline: frozenset[str]


class DocumentReview:
    """Made and closed in the event loop's thread; `look`, and then `ask`, in any."""

    def __init__(self, snapshot: Snapshot, engines: Engines, listener: Listener) -> None:
        self.snapshot = snapshot
        self.is_asking = False  # or waits to ask; kept by whoever has the review
        self.lines: list[str] = []  # of the text, once something was told
        self.root: Path | None = None  # of the repository, once something was told
        self._engines = engines
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._closed = threading.Event()
        self._file: _File | None = None
        self._more: list[Finding] = []
        self._placer: Placer | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants it any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Nothing is told any more; a question that the engine has is answered into the store of answers."""
        self._closed.set()

    def look(self) -> None:
        """Find what needs no model."""
        with self._telling():
            self._check()
            found = self._found_in_file()
            if self._file is None:
                return
            self._tell_found(self._screened(found), ("DSA0",))
            if not self.snapshot.by_hand:  # of a whole text there is no state before
                self._more = self._unfinished(self._file)
                self._tell_found(self._screened([*found, *self._more]), ("DSA0", "DSA2"))
            self._tell(self._listener.looked, self)

    def ask(self) -> None:
        """Find what the model finds; all that was found before is found again."""
        from dsassist.review import reviewer
        from dsassist.review.reports import summary

        with self._telling():
            self._check()
            file = self._read_file
            names: list[str] = []
            answered: list[Answered] = []

            def open_judge() -> Judge:
                opened = self._engines.get(self.snapshot.loaded)
                names.append(opened.name)
                return self._judge(opened, file, answered)

            options = self.snapshot.loaded.config.review
            review = reviewer.review(
                file.changes,
                open_judge,
                deadline_s=_LONGEST_S,
                max_findings=options.max_findings,
                find_more=lambda _files: self._more,
                baseline=file.baseline,
                unusual=None if self.snapshot.by_hand else self._unusual,
            )
            self._tell_found(review.findings, ("DSA",), answered)
            if review.failure:
                raise NotDone(f"the review ended early: {review.failure}")
            self._tell(self._listener.ended, self, summary(review, "".join(names)))

    @property
    def _read_file(self) -> _File:
        assert self._file is not None, "`look` came first, and found something to review"
        return self._file

    def _found_in_file(self) -> list[Finding]:
        """Read the document and run the passes over it; `_file` stays None where there is nothing to review."""
        from dsassist.review.changes import Skipped, changes_of_document, whole_document
        from dsassist.review.masking import masked_file
        from dsassist.review.passes import run_passes

        snapshot = self.snapshot
        of_document = whole_document if snapshot.by_hand else changes_of_document
        changes = of_document(snapshot.path, snapshot.text, snapshot.loaded.config.review.exclude)
        self._placer = Placer(snapshot.uri, snapshot.text, snapshot.encoding)
        self.lines, self.root = self._placer.lines, changes.root or snapshot.path.parent
        file = changes.pending[0].read() if changes.pending else changes.skipped[0]
        if isinstance(file, Skipped) or not file.lines:
            self._tell(self._listener.found, self, (), ("DSA",))
            reason = file.reason if isinstance(file, Skipped) else "it is as in HEAD"
            self._tell(self._listener.ended, self, f"{snapshot.path.name} is not reviewed: {reason}")
            return []
        masked, secrets = masked_file(file)
        found = run_passes(file, masked, secrets)
        self._file = _prepared(changes, masked, tuple(secrets), self.root)
        return found

    def _unfinished(self, file: _File) -> list[Finding]:
        """What the change left undone, where that is in this document."""
        from dsassist.review.unfinished import GitTree, find_unfinished

        assert file.changes.root is not None, "what changed is known in repositories only"
        tree = GitTree(file.changes.root, file.changes.tree)
        return [each for each in find_unfinished([file.masked], tree) if each.path == file.masked.path]

    def _unusual(self, findings: Sequence[Finding], files: Sequence[ChangedFile]) -> list[Finding]:
        """Without what the repository does elsewhere, as in the review of a commit."""
        from dsassist.review.unfinished import GitTree
        from dsassist.review.usual import unusual

        changes = self._read_file.changes
        assert changes.root is not None, "what changed is known in repositories only"
        return unusual(findings, files, GitTree(changes.root, changes.tree))

    def _screened(self, findings: Sequence[Finding]) -> list[Finding]:
        """Those to report, as a whole review would have them."""
        from dsassist.review.screening import Screening, Text

        file = self._read_file
        texts = {file.masked.path: Text(file.masked, file.secrets)}
        return Screening(texts, lambda _path: None, lambda path: path, file.baseline).kept(findings)

    def _judge(self, opened: OpenEngine, file: _File, answered: list[Answered]) -> Judge:
        from dsassist.review.calibration.current import thresholds_for
        from dsassist.review.calibration.thresholds import Thresholds
        from dsassist.review.dismissals import raised
        from dsassist.review.reviewer import Judge
        from dsassist_lsp.finding_evidence import WatchedScores

        loaded = self.snapshot.loaded
        thresholds = Thresholds(loaded.config.review.threshold_nats)
        if opened.model is not None:
            thresholds = thresholds_for(loaded, opened.model)
        priority: Priority = "review" if self.snapshot.by_hand else "idle"
        scores = WatchedScores(opened.scores or opened.engine, priority, answered, self._check)
        # As in `dsassist review`: what the test model finds is a note.
        return Judge(scores, raised(thresholds, file.dismissals), "info" if opened.note else "warning")

    def _tell_found(
        self, findings: Sequence[Finding], settled: tuple[str, ...], answered: Sequence[Answered] = ()
    ) -> None:
        from dsassist.review.handling import ignore_edit
        from dsassist_lsp.finding_evidence import readings_of

        file, placer = self._read_file, self._placer
        assert placer is not None, "it comes with the file"
        masked, root = file.masked, file.changes.root
        placed = [
            placer.placed(each, ignore_edit(each, masked) or (), root, readings_of(each, masked.source, answered))
            for each in findings
        ]
        self._tell(self._listener.found, self, placed, settled)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """The boundary of a thread: what goes wrong is told, unless nobody wants to hear."""
        with suppress(_Closed):
            try:
                yield
            except RecursionError:
                self._tell(self._listener.failed, self, NotDone(f"{self.snapshot.path.name} is too deeply nested"))
            except _Closed:
                raise
            except Exception as error:
                self._tell(self._listener.failed, self, error)

    def _check(self) -> None:
        if self.is_closed:
            raise _Closed

    def _tell(self, tell: Callable[..., None], *what: object) -> None:
        self._check()

        def told() -> None:
            if not self.is_closed:
                tell(*what)

        with suppress(RuntimeError):  # the event loop has ended meanwhile
            self._loop.call_soon_threadsafe(told)


def _prepared(changes: Changes, masked: ChangedFile, secrets: tuple[SecretSpan, ...], root: Path) -> _File:
    from dsassist.git import INDEX
    from dsassist.review.baseline import baseline_of_tree
    from dsassist.review.dismissals import read_dismissals

    dismissals = read_dismissals()
    entries = [] if changes.root is None else baseline_of_tree(changes.root, INDEX)
    known = {entry.fingerprint for entry in entries} | dismissals.fingerprints(root)
    return _File(changes, masked, secrets, dismissals, frozenset(known))
