"""Where a word is written in a text, as leaves of its syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

    from dsassist.review.source import Source

__all__ = ["leaves_of"]


def leaves_of(source: Source, word: str) -> Iterator[Node]:
    """The nodes that are the word and nothing else; where it is part of a comment or a string there is none."""
    root = source.tree.root_node
    pattern = re.compile(rb"(?<![\w\x80-\xff])%s(?![\w\x80-\xff])" % re.escape(word.encode()))
    for found in pattern.finditer(source.data):
        leaf = root.descendant_for_byte_range(*found.span())
        if leaf is not None and (leaf.start_byte, leaf.end_byte) == found.span():
            yield leaf
