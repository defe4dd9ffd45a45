"""An import in JavaScript or TypeScript of a file that the change moved or took away (DSA201).

Only paths that count from the importing file are looked at; what any other may mean, configurations decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from dsassist.context.modules import imported_files
from dsassist.index.entry import module_key
from dsassist.review.findings import Finding
from dsassist.review.source import Source
from dsassist.review.unfinished.moves import is_own_of_folder, stale_import
from dsassist.review.unfinished.tree import Overlay, words_of
from dsassist.syntax.imports import Import, imports
from dsassist.syntax.languages import language_of

__all__ = ["find_stale_plain_modules"]

_LANGUAGES = ("javascript", "typescript", "tsx")
_WORD = re.compile(r"\w+")


def find_stale_plain_modules(gone_files: Mapping[str, str | None], tree: Overlay) -> Iterator[Finding]:
    """Imports that led to a file that is no longer there, and lead nowhere now; `gone_files` as in `moves`."""
    modules = (path for path in gone_files if language_of(path) in _LANGUAGES and path not in tree.paths)
    gone = {path: gone_files[path] for path in modules if _word(path)}
    texts = tree.texts_with({_word(path) for path in gone})
    for importing, text in texts.items():
        if language_of(importing) in _LANGUAGES:
            words = words_of(text)
            for path, new_path in gone.items():
                if _word(path) in words:
                    yield from _in_file(importing, text, (path, new_path), tree)


def _in_file(importing: str, text: str, gone: tuple[str, str | None], tree: Overlay) -> Iterator[Finding]:
    language = language_of(importing) or ""
    path, new_path = gone
    source = Source(text, language)
    for each in imports(language, text):
        is_relative = each.module.startswith(("./", "../"))
        if is_relative and path in _meant(each, importing, tree, path) and not _meant(each, importing, tree):
            quoted = re.compile(rf"(?<=[\"'`]){re.escape(each.module)}(?=[\"'`])")
            if (written := quoted.search(text, source.line_start(each.line))) is not None:
                yield stale_import(importing, source, written.span(), path, new_path)


def _meant(one: Import, importing: str, tree: Overlay, gone: str | None = None) -> list[str]:
    """The files that an import means, were `gone` still there."""

    def of_keys(keys: set[str]) -> dict[str, list[str]]:
        more = [gone] if gone is not None else []
        return {
            key: [*tree.by_module.get(key, ()), *(each for each in more if module_key(each) == key)] for key in keys
        }

    found = imported_files([one], language_of(importing) or "", importing, of_keys)
    return [each.path for each in found]


def _word(path: str) -> str:
    """A word that an import of the file has in its path."""
    pure = PurePosixPath(path)
    name = pure.parent.name if is_own_of_folder(path) else pure.name.split(".")[0]
    return max(_WORD.findall(name), key=len, default="")
