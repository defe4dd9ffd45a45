"""What is open and not saved: seen by the prompts, and never in the index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist.completion.place import Place
from dsassist.context.open_documents import OpenDocuments
from dsassist.context.recent import RecentEdits
from dsassist.context.snippets import Snippet
from dsassist.context.sources import ContextSources
from dsassist.index.workspace import WorkspaceIndex

SHOP = "def open_shop(name: str) -> Shop:\n    return Shop(name)\n"
EDITED = "def open_shop(name: str, owner: Person) -> Shop:\n    ...\n\n\ndef close_shop(shop: Shop) -> None:\n    ...\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[WorkspaceIndex]:
    (tmp_path / "shop.py").write_text(SHOP)
    with WorkspaceIndex(tmp_path) as index:
        index.refresh()
        yield index


def gathered(index: WorkspaceIndex, documents: OpenDocuments, text: str, source: str) -> list[Snippet]:
    sources = ContextSources(index, RecentEdits(), documents)
    place = Place(text, len(text), str(index.root / "main.py"))
    return sources.gather(place, view=text, budget_tokens=500, sources=[source])


def opened(index: WorkspaceIndex, name: str, text: str) -> OpenDocuments:
    documents = OpenDocuments()
    documents.changed(str(index.root / name), text)
    return documents


def test_an_import_of_an_unsaved_document_gives_what_stands_in_the_editor(index: WorkspaceIndex) -> None:
    documents = opened(index, "shop.py", EDITED)
    [found] = gathered(index, documents, "from shop import open_shop, close_shop\n\n", "imports")
    assert "owner: Person" in found.text
    assert "close_shop(shop: Shop)" in found.text


def test_a_document_that_is_no_file_yet_can_be_imported(index: WorkspaceIndex) -> None:
    documents = opened(index, "stall.py", "def open_stall(place: str) -> Stall: ...\n")
    [found] = gathered(index, documents, "from stall import open_stall\n\n", "imports")
    assert (found.path, "place: str" in found.text) == ("stall.py", True)


def test_a_name_near_the_cursor_is_found_in_an_unsaved_document_and_its_old_place_forgotten(
    index: WorkspaceIndex,
) -> None:
    documents = opened(index, "shop.py", EDITED.replace("open_shop", "start_shop"))
    [found] = gathered(index, documents, "x = close_shop(", "names")
    assert "close_shop(shop: Shop)" in found.text
    assert gathered(index, documents, "x = open_shop(", "names") == []
    documents.closed(str(index.root / "shop.py"))
    assert gathered(index, documents, "x = close_shop(", "names") == []
    assert gathered(index, documents, "x = open_shop(", "names")


def test_a_name_that_is_all_over_the_workspace_says_nothing_in_an_unsaved_document_either(
    index: WorkspaceIndex,
) -> None:
    for number in range(30):
        (index.root / f"m{number}.py").write_text("def set_up_it(a): ...\n")
    index.refresh()
    documents = opened(index, "shop.py", "def set_up_it(b): ...\n")
    assert gathered(index, documents, "x = set_up_it(", "names") == []


def test_nothing_unsaved_is_written_into_the_index(index: WorkspaceIndex) -> None:
    documents = opened(index, "shop.py", EDITED)
    assert gathered(index, documents, "x = close_shop(", "names")
    with WorkspaceIndex(index.root) as other:
        assert other.definitions({"close_shop"}, {"python"}) == []
        assert other.text_of("shop.py") == SHOP


@pytest.mark.parametrize("name", [".env", "node_modules/a.py", "id_rsa", "/elsewhere/a.py"])
def test_what_is_not_indexed_by_its_name_is_not_seen_while_it_is_open(index: WorkspaceIndex, name: str) -> None:
    documents = opened(index, name, "def close_shop(shop): ...\n")
    assert gathered(index, documents, "x = close_shop(", "names") == []
    documents.changed(str(index.root / "stall.py"), "def close_shop(shop): ...\n")
    assert gathered(index, documents, "x = close_shop(", "names")


def test_a_key_in_an_unsaved_document_is_not_told(index: WorkspaceIndex) -> None:
    key = "AKIA" + "QZ7RTB4LMNXD2WFC"
    documents = opened(index, "shop.py", f'STOCK_ACCESS = "{key}"\n')
    [found] = gathered(index, documents, "from shop import STOCK_ACCESS\n\n", "imports")
    assert "STOCK_ACCESS" in found.text
    assert key not in found.text
