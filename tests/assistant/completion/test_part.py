from __future__ import annotations

import pytest

from dsassist.completion.completer import new_writer
from dsassist.completion.part import part_around
from dsassist.completion.place import Place
from dsassist.options import CompletionConfig
from dsassist.syntax.parsing import parse
from dsassist_runtime.api import TextPiece

PYTHON = 'def f_{i}(a):\n    """What it is."""\n    return [a, {i}]\n\n\n'
FILES = {
    "a.py": (PYTHON, "def g(a):\n    |\n\n\n"),
    "a.c": ("static int f_{i}(int a)\n{{\n\treturn a + {i};\n}}\n\n", "static int g(int a)\n{\n\t|\n}\n\n"),
    "a.ts": ("call({{\n  i: {i},\n}});\n\n", "function g(a) {\n  |\n}\n\n"),
    "a.rb": ("def f_{i}(a)\n  a + {i}\nend\n\n", "def g(a)\n  |\nend\n\n"),
}


def large(name: str, n: int = 12_000) -> Place:
    block, here = FILES[name]
    before, after = here.split("|")
    before = "".join(block.format(i=i) for i in range(n)) + before
    return Place(before + after + "".join(block.format(i=i) for i in range(n)), len(before), name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_part_of_a_large_document_is_whole_definitions_around_the_same_cursor(name: str, line_end: str) -> None:
    place = large(name)
    before = place.text[: place.offset].replace("\n", line_end)
    place = Place(before + place.text[place.offset :].replace("\n", line_end), len(before), name)
    part, start = part_around(place)
    assert len(part.text) < 150_000 < len(place.text)
    assert place.text[start : start + len(part.text)] == part.text
    assert start + part.offset == place.offset
    assert min(part.offset, len(part.text) - part.offset) > 20_000
    done = part.text[: part.offset] + ("return 1;" if name == "a.c" else "1") + part.text[part.offset :]
    tree = parse(str(place.language), done)
    assert tree is not None
    assert not tree.root_node.has_error


def test_near_an_end_of_the_document_the_part_reaches_it() -> None:
    whole = large("a.py")
    for offset in (0, len(whole.text)):
        part, start = part_around(Place(whole.text, offset, "a.py"))
        assert start + part.offset == offset
        assert (start == 0) is (offset == 0)
        assert whole.text.endswith(part.text) is (offset > 0)


@pytest.mark.parametrize(
    "place",
    [
        large("a.py", n=100),
        Place("x" * 300_000, 150_000, "a.py"),
        Place("{" + '"a": [\n1],\n' * 30_000 + "}", 150_000, "a.json"),
        Place("x\n" * 150_000, 150_000, "a.txt"),
    ],
)
def test_what_is_small_or_has_no_place_to_cut_at_is_looked_at_as_a_whole(place: Place) -> None:
    assert part_around(place) == (place, 0)


def test_what_is_offered_in_the_part_is_what_is_offered_in_the_whole() -> None:
    whole = large("a.py")
    part, start = part_around(whole)
    offers = []
    for place in (whole, part):
        writer = new_writer(place, CompletionConfig())
        writer.push(TextPiece("b = a\n    return (b\nx = 1\n", 1))
        writer.finish()
        offers.append(writer.offer())
    in_whole, in_part = offers
    assert in_whole is not None
    assert in_part is not None
    assert in_whole.text == in_part.text == "b = a"
    assert (in_whole.start, in_whole.end) == (in_part.start + start, in_part.end + start)
