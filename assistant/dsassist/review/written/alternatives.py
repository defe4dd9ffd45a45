"""Which of the model's texts are alternatives: those that parse, mean something else, and name only what there is."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.completion.blocks import opens_block
from dsassist.review.likelihood.meaning import Meanings
from dsassist.review.likelihood.roles import is_keyword, is_member_name
from dsassist.review.likelihood.tasks import Task
from dsassist.review.source import walk
from dsassist.review.written.change import Change, change_of
from dsassist.review.written.spans import Span
from dsassist.syntax.parsing import parse_edited
from dsassist_runtime.api import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Alternative", "Alternatives"]

_WORD = re.compile(r"\w+")
_BUILTINS = {"python": frozenset(dir(builtins))}


@dataclass(frozen=True)
class Alternative:
    """`text` in the place of a span of a function."""

    span: Span
    text: str
    change: Change

    @property
    def edit(self) -> Edit:
        """In the function's text."""
        return Edit(self.span.start, self.span.end, self.text)


class Alternatives:
    """Tells for the texts of one function which are new; each is new once."""

    def __init__(self, task: Task) -> None:
        self._function = task.function
        self._source = task.function.source
        self._meanings = Meanings(self._source)
        # What these say is asked by a measure of its own, which is calibrated.
        self._known = {self._result(each.edit) for each in task.candidates}
        self._words = frozenset(_WORD.findall(self._source.text)) | _BUILTINS.get(self._source.language, frozenset())

    def of(self, span: Span, texts: Iterator[str]) -> Iterator[Alternative]:
        """The alternatives among the texts for a span."""
        written = self._function.text[span.start : span.end]
        for text in texts:
            if not self._fits(span, written, text):
                continue
            change = change_of(*(("(" * span.margin) + each + (")" * span.margin) for each in (written, text)))
            if change is not None and self._is_new(Edit(span.start, span.end, text)):
                yield Alternative(span, text, change)

    def _fits(self, span: Span, written: str, text: str) -> bool:
        """Whether a text may stand there at all: a statement has a block where what is written has one."""
        if span.kind == "line":
            language = self._source.language
            return bool(text) and opens_block(text, language) == opens_block(written, language)
        return bool(text) or span.kind == "arguments"

    def _is_new(self, edit: Edit) -> bool:
        result = self._result(edit)
        if result in self._known:
            return False
        self._known.add(result)
        start = self._function.start
        moved = Edit(edit.start + start, edit.end + start, edit.replacement)
        return self._names_are_known(moved) and self._meanings.is_new(moved)

    def _result(self, edit: Edit) -> int:
        """A hash of the function as it would be."""
        text = self._function.text
        return hash(text[: edit.start] + edit.replacement + text[edit.end :])

    def _names_are_known(self, edit: Edit) -> bool:
        """Whether each name stands somewhere in the file, or is the language's; members and keywords may be new."""
        source = self._source
        start, end = source.byte(edit.start), source.byte(edit.end)
        inserted = edit.replacement.encode("utf-8")
        tree, data = parse_edited(source.language, source.tree, source.data, start, end, inserted)
        around = tree.root_node.descendant_for_byte_range(start, start + len(inserted))
        return around is None or all(
            data[node.start_byte : node.end_byte].decode("utf-8") in self._words
            for node in walk(around)
            if node.type == "identifier"
            and start <= node.start_byte < start + len(inserted)
            and not self._may_be_new(node)
        )

    def _may_be_new(self, node: Node) -> bool:
        return is_member_name(self._source.grammar, node) or is_keyword(node)
