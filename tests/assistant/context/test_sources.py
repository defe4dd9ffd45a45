"""Snippets from a real workspace: what is chosen, what is left out, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist.completion.place import Place
from dsassist.context.recent import RecentEdits
from dsassist.context.snippets import similarity
from dsassist.context.sources import ALL, ContextSources
from dsassist.index.workspace import WorkspaceIndex

SHOP = '''"""A shop."""

PRICE_LIMIT = 5


class Shop(Base):
    """Sells things."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sell_article(self, article: str, price: int = 1) -> Receipt:
        """Sell one."""
        return Receipt(article, price)

    def _hidden(self) -> None: ...


def open_shop(name: str) -> Shop:
    return Shop(name)
'''
RECEIPT = "class Receipt:\n    total: int\n\n    def print_out(self) -> str:\n        return str(self.total)\n"
MAIN = """from pkg.shop import Shop


def trade(shop: Shop, quantity: int) -> Receipt:
    receipt = shop.sell_article("x")
    return receipt
"""
LIKE_MAIN = """def barter(quantity: int, warehouse: Warehouse) -> None:
    stock = warehouse.find_stock(quantity)
    stock.sell_article(quantity, discount=seasonal_discount)
    notify_customers(stock, reason="barter")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "pkg" / "shop.py").write_text(SHOP)
    (tmp_path / "pkg" / "receipt.py").write_text(RECEIPT)
    (tmp_path / "barter.py").write_text(LIKE_MAIN)
    return tmp_path


@pytest.fixture
def index(root: Path) -> Iterator[WorkspaceIndex]:
    with WorkspaceIndex(root) as index:
        index.refresh()
        yield index


def at_end(root: Path, text: str = MAIN) -> Place:
    return Place(text, len(text), str(root / "main.py"))


def test_an_import_gives_the_signatures_of_what_is_imported(root: Path, index: WorkspaceIndex) -> None:
    (found,) = ContextSources(index, RecentEdits()).gather(
        at_end(root), view=MAIN, budget_tokens=500, sources=["imports"]
    )
    assert (found.source, found.path) == ("imports", "pkg/shop.py")
    assert found.text.splitlines() == [
        "# Sells things.",
        "class Shop(Base)",
        "    def __init__(self, name: str) -> None",
        "    # Sell one.",
        "    def sell_article(self, article: str, price: int = 1) -> Receipt",
    ]


def test_a_name_near_the_cursor_gives_its_definition_elsewhere(root: Path, index: WorkspaceIndex) -> None:
    found = ContextSources(index, RecentEdits()).gather(at_end(root), view=MAIN, budget_tokens=500, sources=["names"])
    texts = {snippet.path: snippet.text for snippet in found}
    assert texts["pkg/receipt.py"] == "class Receipt\n    total: int\n    def print_out(self) -> str"
    assert all(snippet.path != "main.py" for snippet in found)


def test_text_with_the_same_rare_words_is_found_but_not_what_is_in_the_view(root: Path, index: WorkspaceIndex) -> None:
    sources = ContextSources(index, RecentEdits())
    text = "def trade(quantity, warehouse):\n    stock = warehouse.find_stock(quantity)\n    "
    found = sources.gather(at_end(root, text), view=text, budget_tokens=500, sources=["similar"])
    assert [snippet.path for snippet in found][:1] == ["barter.py"]
    found = sources.gather(at_end(root, text), view=LIKE_MAIN, budget_tokens=500, sources=["similar"])
    assert "barter.py" not in [snippet.path for snippet in found]


def test_what_was_edited_lately_in_other_documents_is_shown(root: Path, index: WorkspaceIndex) -> None:
    recent = RecentEdits()
    for name, text in (("main.py", MAIN), ("barter.py", LIKE_MAIN)):
        recent.opened(name, str(root / name), text)
        recent.changed(name, text, 1, 1)
    (found,) = ContextSources(index, recent).gather(at_end(root), view=MAIN, budget_tokens=500, sources=["recent"])
    assert (found.path, found.line, found.text) == ("barter.py", 1, LIKE_MAIN.rstrip("\n"))


@pytest.mark.parametrize("budget_tokens", [0, 20, 60, 120, 400])
def test_the_budget_holds_and_snippets_are_whole(root: Path, index: WorkspaceIndex, budget_tokens: int) -> None:
    sources = ContextSources(index, RecentEdits())
    everything = {
        snippet.text
        for source in ALL
        for snippet in sources.gather(at_end(root), view="", budget_tokens=10_000, sources=[source])
    }
    found = sources.gather(at_end(root), view="", budget_tokens=budget_tokens)
    assert sum(snippet.tokens for snippet in found) <= budget_tokens
    assert {snippet.text for snippet in found} <= everything
    assert found == sources.gather(at_end(root), view="", budget_tokens=budget_tokens)


def test_no_secret_reaches_a_snippet(root: Path, index: WorkspaceIndex) -> None:
    recent = RecentEdits()
    text = 'password = "tr0ub4dor&3"\nconnect(password)\n'
    recent.opened("db", str(root / "db.py"), text)
    recent.changed("db", text, 0, 1)
    recent.opened("env", str(root / ".env"), text)
    (found,) = ContextSources(index, recent).gather(at_end(root), view=MAIN, budget_tokens=500, sources=["recent"])
    assert found.text == 'password = "..."\nconnect(password)'


def test_without_an_index_there_are_recent_edits_only(root: Path) -> None:
    recent = RecentEdits()
    recent.opened("b", "barter.py", LIKE_MAIN)
    found = ContextSources(None, recent).gather(at_end(root), view=MAIN, budget_tokens=500)
    assert [snippet.source for snippet in found] == ["recent"]


def test_similarity_is_the_share_of_common_words() -> None:
    assert similarity({"a", "b"}, {"b", "c"}) == 0.5
    assert similarity({"a"}, {"a"}) == 1.0
    assert similarity({"a"}, set()) == 0.0
