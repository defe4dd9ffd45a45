"""What becomes of the offers in an editor: told to the ledger, from the client's messages and from the edits.

The messages bear the names that Copilot's server uses: `textDocument/didShowCompletion {item}`,
`textDocument/didPartiallyAcceptCompletion {item, acceptedLength}`, and the item's command, which the editor executes
after it has inserted the whole. An item carries the offer's id as its command's argument. Clients that send none of
them are understood by their edits (`dsassist.ledger.inference`).
"""

from __future__ import annotations

import asyncio
import os
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lsprotocol import types
from pygls.uris import to_fs_path

from dsassist.ledger.commits import HeadWatch
from dsassist.ledger.entries import RequestCost, ShownOffer
from dsassist.ledger.inference import LiveOffer, after_change
from dsassist.ledger.kept import KeptWatch
from dsassist.ledger.ledger import AcceptedText, Ledger

__all__ = ["ACCEPT_COMMAND", "Acceptance", "AnsweredOffer", "accept_command", "item_offer"]

ACCEPT_COMMAND = "dsassist.acceptCompletion"

_HEADS_EVERY_S = 2.0
_ITEMS_LIMIT = 200
_FOUND_WITHIN = 100  # characters; something may have been typed before the message came


@dataclass(frozen=True)
class AnsweredOffer:
    """An offer as it goes to the client: `text` in the place of `document[start:end]` (code points).

    The item begins with `lead`, an entry of the menu that is chosen there and that the document has in this count.
    """

    start: int
    end: int
    text: str
    counted: ShownOffer
    lead: str = ""


def accept_command(offer: int) -> types.Command:
    """What the editor is to execute after it has inserted an item."""
    return types.Command(title="Count the completion", command=ACCEPT_COMMAND, arguments=[offer])


def item_offer(item: object) -> int | None:
    """The offer's id in an item that a client sent back, in whatever form; None if it is none of ours."""
    command = _field(item, "command")
    arguments = _field(command, "arguments")
    if _field(command, "command") != ACCEPT_COMMAND or not isinstance(arguments, (list, tuple)) or not arguments:
        return None
    return _whole_number(arguments[0])


@dataclass(frozen=True)
class _Item:
    """What the client has of an offer: where its text begins, and what was taken of the offer before."""

    uri: str
    start: int
    text: str
    accepted: int
    accepted_from: int | None
    lead: str


class Acceptance:
    """Follows the offers of one client. All methods are called in the event loop's thread, and only `close` waits."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """`clock` gives seconds that only grow; `call_later` is that of the running event loop when left out."""
        self._ledger = ledger
        self._clock = clock
        self._call_later = call_later
        self._kept = KeptWatch(clock)
        self._texts: dict[str, str] = {}  # of the documents that have or had an offer
        self._live: dict[str, list[LiveOffer]] = {}
        self._items: dict[int, _Item] = {}
        self._roots: dict[str, Path] = {}
        self._heads: dict[Path, HeadWatch] = {}
        self._heads_looked_s = float("-inf")
        self._committed: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._wakes_s: float | None = None
        self._client_tells_shown = False
        self._client_tells_saved = False

    def answered(self, uri: str, document: str, offers: Sequence[AnsweredOffer], root: Path | None) -> list[int]:
        """Count the offers that answer a request, the likeliest first; their ids, for `accept_command`.

        `root` is the repository's. An offer that is on the screen already, whole or what is left of it, keeps its id.
        """
        self._know_root(uri, root)
        self._texts[uri] = document
        before = self._live.pop(uri, [])
        live = [self._live_offer(document, offer, before, first=not number) for number, offer in enumerate(offers)]
        for each, offer in zip(live, offers, strict=True):
            self._items[each.offer] = _Item(uri, each.start, each.text, each.accepted, each.accepted_from, offer.lead)
        self._dismiss([each for each in before if each.offer not in _ids(live)])
        for old in list(self._items)[:-_ITEMS_LIMIT]:
            del self._items[old]
        if live:
            self._live[uri] = live
        return _ids(live)

    def request(self, cost: RequestCost) -> None:
        """Count what a request cost, and why nothing was shown."""
        self._ledger.request(cost)

    def did_show(self, item: object) -> None:
        """`textDocument/didShowCompletion`; after the first, only what the client tells of counts as shown."""
        self._client_tells_shown = True
        if (offer := item_offer(item)) is not None:
            self._ledger.seen(offer)

    def did_accept_partly(self, item: object, accepted_length: object) -> None:
        """`textDocument/didPartiallyAcceptCompletion`; the length counts UTF-16 units from the item's start."""
        offer, units = item_offer(item), _whole_number(accepted_length)
        if offer is None or not units or (known := self._items.get(offer)) is None:
            return
        length = _code_points(known.lead + known.text, units) - len(known.lead)
        if length <= 0:  # no more than the menu's entry
            return
        self._ledger.accepted_partly(offer, known.accepted + length)
        first = known.start if known.accepted_from is None else known.accepted_from
        self._live[known.uri] = [
            # A short piece was taken for typing when its edit came.
            replace(live, accepted=known.accepted + length, accepted_from=first)
            if live.offer == offer and len(known.text) - len(live.text) == length
            else live
            for live in self._live.get(known.uri, [])
        ]
        self._follow_item(offer, known, length)

    def did_accept(self, argument: object) -> None:
        """The item's command was executed, with this argument: the whole is in the document."""
        offer = _whole_number(argument)
        if offer is None or (known := self._items.get(offer)) is None:
            return
        self._ledger.accepted(offer, known.accepted + len(known.text))
        self._follow_item(offer, known, len(known.text))
        self._live[known.uri] = [live for live in self._live.get(known.uri, []) if live.offer != offer]

    def did_change(self, uri: str, document: str) -> None:
        """Take a document's new text, after each `textDocument/didChange`."""
        self._look_at_heads()  # before the edit: what was committed is the text without it
        self._kept.changed(uri, document)
        if uri in self._texts:
            self._texts[uri] = document
        for live in self._live.pop(uri, []):
            if (left := self._after_change(uri, live, document)) is not None:
                self._live.setdefault(uri, []).append(left)

    def did_save(self, uri: str) -> None:
        """What is on disk now is what a commit can hold."""
        self._client_tells_saved = True
        self._remember(uri)
        self._look_at_heads()

    def did_close(self, uri: str) -> None:
        """Nobody sees the offers in a document any more; what was accepted stays in it as it is."""
        self._dismiss(self._live.pop(uri, []))
        self._texts.pop(uri, None)
        self._remember(uri)

    def close(self) -> None:
        """Write out everything, at `shutdown`; waits for the disk, at most some seconds."""
        for uri in self._roots:
            self._remember(uri)
        self._ledger.close()

    def tick(self) -> None:
        """See what was kept of the texts whose time has come, and wait for the next."""
        self._wakes_s = None
        for kept in self._kept.due():
            self._ledger.kept(kept)
        self._look_at_heads()
        self._wake_at_next()

    def _live_offer(self, document: str, offer: AnsweredOffer, before: list[LiveOffer], *, first: bool) -> LiveOffer:
        for live in before:
            if (live.start, live.end, live.text, live.document) == (offer.start, offer.end, offer.text, document):
                return live
        # The others come to sight only when the user looks for them, which only some clients tell.
        counted = replace(offer.counted, seen=first and not self._client_tells_shown)
        return LiveOffer(self._ledger.shown(counted), document, offer.start, offer.end, offer.text)

    def _dismiss(self, several: list[LiveOffer]) -> None:
        for live in several:
            self._ledger.dismissed(live.offer)

    def _after_change(self, uri: str, live: LiveOffer, document: str) -> LiveOffer | None:
        became = after_change(live, document)
        if became.kind == "accepted":
            self._ledger.accepted(live.offer, live.accepted + became.length)
            start = live.start if live.accepted_from is None else live.accepted_from
            self._follow(live.offer, uri, start, live.start + became.length)
        elif became.kind == "partly" and became.left is not None and became.left.accepted_from is not None:
            self._ledger.accepted_partly(live.offer, became.left.accepted)
            self._follow(live.offer, uri, became.left.accepted_from, became.left.start)
        elif became.kind == "typed through":
            self._ledger.typed_through(live.offer)
        elif became.kind == "dismissed":
            self._ledger.dismissed(live.offer)
        return became.left

    def _follow_item(self, offer: int, known: _Item, length: int) -> None:
        """Follow what the client says it inserted, if it stands about where it belongs."""
        text = self._texts.get(known.uri, "")
        nearest = max(0, known.start - _FOUND_WITHIN), known.start + length + _FOUND_WITHIN
        place = text.find(known.text[:length], *nearest)
        if place >= 0:
            start = place if known.accepted_from is None else min(place, known.accepted_from)
            self._follow(offer, known.uri, start, place + length)

    def _follow(self, offer: int, uri: str, start: int, end: int) -> None:
        root = self._roots.get(uri)
        self._kept.watch(offer, uri, self._texts[uri], start, end - start, awaits_commit=root is not None)
        self._remember(uri)
        self._wake_at_next()

    def _wake_at_next(self) -> None:
        due_s = self._kept.next_due_s()
        if due_s is not None and (self._wakes_s is None or due_s < self._wakes_s):
            self._wakes_s = due_s
            call_later = self._call_later or asyncio.get_running_loop().call_later
            call_later(max(0.0, due_s - self._clock()), self.tick)

    def _know_root(self, uri: str, root: Path | None) -> None:
        if root is None or self._roots.get(uri) == root:
            return
        self._roots[uri] = root
        if root not in self._heads:
            self._heads[root] = HeadWatch(root)
            self._ledger.check_commits(root, self._committed.put)  # what an earlier session left

    def _look_at_heads(self) -> None:
        """Ask git what was committed, in the ledger's thread, if a HEAD may have moved; at most every two seconds."""
        if self._clock() - self._heads_looked_s < _HEADS_EVERY_S:
            return
        self._heads_looked_s = self._clock()
        while not self._committed.empty():
            self._kept.committed(self._committed.get())
        for root, head in self._heads.items():
            if head.may_have_moved():
                if not self._client_tells_saved:
                    for uri in [uri for uri, its in self._roots.items() if its == root]:
                        self._remember(uri)
                self._ledger.check_commits(root, self._committed.put)

    def _remember(self, uri: str) -> None:
        """Tell the ledger by which lines a document's accepted texts are known again in a commit."""
        root, path = self._roots.get(uri), to_fs_path(uri)
        if root is None or path is None:
            return
        relative = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(root))).as_posix()
        followed = ((offer, self._kept.text_of(offer)) for offer in self._kept.awaiting_commit())
        texts = [
            AcceptedText(offer, relative, text.characters, text.marks)
            for offer, text in followed
            if text is not None and text.document == uri
        ]
        self._ledger.await_commit(root, texts)


def _ids(several: Sequence[LiveOffer]) -> list[int]:
    return [live.offer for live in several]


def _field(value: object, name: str) -> object:
    """A field of what a client sent: pygls makes objects of messages that it does not know, and dicts within others."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _code_points(text: str, units: int) -> int:
    """How many code points the first UTF-16 units of a text are; half a surrogate pair is none."""
    for number, character in enumerate(text):
        units -= 2 if ord(character) > 0xFFFF else 1
        if units < 0:
            return number
    return len(text)
