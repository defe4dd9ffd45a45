from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.syntax.parsing import encode, parse, parse_again, parse_edited

LONG = "def f(a):\n    return [a, 'é']\n\n\n" * 500


def test_a_text_is_parsed_in_its_language() -> None:
    tree = parse("go", "package main\n")
    assert tree is not None
    assert not tree.root_node.has_error
    broken = parse("go", "package\n")
    assert broken is not None
    assert broken.root_node.has_error


def test_a_lone_surrogate_is_one_byte() -> None:
    assert len(encode("a\ud83db")) == 3
    assert parse("python", "x = '\ud83d'\n") is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [("return", "yield"), ("    return [a, 'é']\n", ""), ("é", "ü"), ("", "x = 1\n"), ("[a", "[a, (b, c)")],
)
def test_a_document_that_has_changed_is_parsed_as_if_it_were_new(old: str, new: str) -> None:
    assert parse_again("changed.py", "python", encode(LONG)) is not None
    changed = LONG[:9000] + LONG[9000:].replace(old, new, 1)
    again, fresh = parse_again("changed.py", "python", encode(changed)), parse("python", changed)
    assert again is not None
    assert fresh is not None
    assert str(again.root_node) == str(fresh.root_node)
    assert again.root_node.end_byte == fresh.root_node.end_byte == len(encode(changed))


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 50), st.sampled_from(["", "x", "\n", "é(", ")"]))))
@settings(max_examples=30, deadline=None)
def test_many_edits_in_turn_lose_nothing(edits: list[tuple[int, int, str]]) -> None:
    text = LONG
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
        tree = parse_again("edited.py", "python", encode(text))
        assert tree is not None
        assert tree.root_node.end_byte == len(encode(text))
        assert tree.root_node.text == encode(text)[tree.root_node.start_byte :]


def test_one_document_may_be_parsed_in_many_threads() -> None:
    texts = [encode(LONG[: 10_000 + 7 * i] + "x\n" + LONG[10_000 + 7 * i :]) for i in range(24)]
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(lambda data: parse_again("threads.py", "python", data), texts))
    assert [tree.root_node.end_byte for tree in trees if tree is not None] == [len(data) for data in texts]


def test_an_edited_tree_leaves_the_first_as_it_was() -> None:
    data = encode("x = 1\ny = 2\n")
    tree = parse("python", "x = 1\ny = 2\n")
    assert tree is not None
    edited, changed = parse_edited("python", tree, data, 6, 6, b"z = (\n")
    assert changed == b"x = 1\nz = (\ny = 2\n"
    assert edited.root_node.has_error
    assert not tree.root_node.has_error
