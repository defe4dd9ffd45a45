"""The tree-sitter queries that lie beside this module as data: `queries/<language>.<kind>.scm`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dsassist.syntax.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Query

__all__ = ["QueryKind", "query_of"]

QueryKind = Literal["symbols", "imports"]

_DIRECTORY = Path(__file__).parent / "queries"
# Grammars that share another one's node types, and so its query.
_SAME_AS: dict[tuple[QueryKind, str], str] = {
    ("symbols", "tsx"): "typescript",
    ("imports", "tsx"): "javascript",
    ("imports", "typescript"): "javascript",
}


@cache
def query_of(kind: QueryKind, language: str) -> Query | None:
    """The query of a language, or None where there is none or its grammar is missing."""
    from tree_sitter import Query, QueryError

    file = _DIRECTORY / f"{_SAME_AS.get((kind, language), language)}.{kind}.scm"
    loaded = grammar(language) if file.is_file() else None
    if loaded is None:
        return None
    try:
        query: Query = Query(loaded, file.read_text(encoding="utf-8"))
    except QueryError:  # a grammar of another release, whose nodes have other names
        return None
    return query
