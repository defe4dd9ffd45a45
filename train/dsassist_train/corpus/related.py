"""Which other files of its project a file belongs to: those that it imports, then those that lie beside it.

A prompt has parts of such files before the text; the runtime chooses them by imports and by alike words as well.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence

from dsassist.context.modules import imported_files
from dsassist.index.entry import module_key
from dsassist.syntax.imports import imports
from dsassist_train.corpus.files import SourceText

__all__ = ["related_files"]

_MOST = 6
_HEAD_CHARACTERS = 8_000


def related_files(files: Sequence[SourceText]) -> list[tuple[int, ...]]:
    """For each file of one project the indices of at most six others, the nearest first."""
    index = {file.path: i for i, file in enumerate(files)}
    by_key: dict[str, list[str]] = defaultdict(list)
    beside: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, file in enumerate(files):
        beside[_place(file)].append(i)
        by_key[module_key(file.path)].append(file.path)
    found = []
    for i, file in enumerate(files):
        head = file.text[:_HEAD_CHARACTERS]
        meant = imported_files(
            imports(file.language, head),
            file.language,
            file.path,
            lambda keys: {key: by_key.get(key, []) for key in keys},
        )
        imported = [index[each.path] for each in meant if each.path in index]
        neighbours = beside[_place(file)]
        near = neighbours.index(i)
        neighbours = neighbours[near + 1 : near + 3] + neighbours[max(0, near - 2) : near]
        found.append(tuple(dict.fromkeys(j for j in (*imported, *neighbours) if j != i))[:_MOST])
    return found


def _place(file: SourceText) -> tuple[str, str]:
    return posixpath.dirname(file.path), file.language
