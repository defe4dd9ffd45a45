"""What holds of every offer, whatever the document, the cursor and the model's text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.completion.place import Place
from dsassist.completion.writer import Offer, Writer
from dsassist.syntax.parsing import parse
from dsassist_runtime.api import TextPiece

DOCUMENTS = {
    "a.py": (
        "import os\n\n\nclass Reader:\n    def __init__(self, path: str) -> None:\n        self.path = path\n\n"
        "    def lines(self, limit: int = 10) -> list[str]:\n        with open(self.path) as file:\n"
        "            found = [line.strip() for line in file if line]\n        if not found:\n            return []\n"
        "        return found[:limit]\n\n\ndef main():\n    print(f\"{os.name}: {len(Reader('a').lines())}\")\n"
    ),
    "a.js": (
        "import fs from 'node:fs';\n\nexport function read(path) {\n  const text = fs.readFileSync(path);\n"
        "  if (!text) {\n    return [];\n  }\n  return text.split('\\n').map((line) => line.trim());\n}\n\n"
        "read('a').forEach((line) => {\n  console.log(`${line}: ${line.length}`);\n});\n"
    ),
    "a.go": (
        'package main\n\nimport "fmt"\n\n'
        "func sum(xs []int) int {\n\ttotal := 0\n\tfor _, x := range xs {\n\t\ttotal += 1\n"
        "\t}\n\treturn total\n}\n\nfunc main() {\n\tfmt.Println(sum([]int{1, 2}))\n}\n"
    ),
    "a.yaml": "name: build\non: [push]\njobs:\n  test:\n    runs-on: ubuntu\n    steps:\n      - run: make\n",
    "a.txt": 'Words, and (brackets) of "a kind".\n\n  - one\n  - two\n',
}
WORDS = ["return x", "if a:", "foo", "x = 1", "# a", "// b", "def f():", "=> {", "```", "<|im_end|>", "else"]
BREAKS = ["\n", "\n    ", "\n        ", "\t", "\r\n", "}\n"]
BITS = st.sampled_from([*WORDS, *BREAKS, *"()[]{}\"'`:;,+ 😀", '"""'])


@st.composite
def places(draw: st.DrawFn) -> Place:
    path = draw(st.sampled_from(sorted(DOCUMENTS)))
    text = DOCUMENTS[path]
    start = draw(st.integers(0, len(text)))
    # What a person has not typed yet, or has changed: the documents are rarely whole.
    end = draw(st.integers(start, min(len(text), start + 60)))
    text = text[:start] + text[end:]
    if draw(st.booleans()):
        return Place(text, start, path)
    before = text[:start].replace("\n", "\r\n")
    return Place(before + text[start:].replace("\n", "\r\n"), len(before), path)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A model's text: parts of files, and bits that upset things."""
    parts = draw(st.lists(st.one_of(BITS, _parts()), max_size=8))
    return "".join(parts)


@st.composite
def _parts(draw: st.DrawFn) -> str:
    text = DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))]
    start = draw(st.integers(0, len(text) - 1))
    return text[start : start + draw(st.integers(1, 120))]


def offer(place: Place, pieces: list[str]) -> tuple[Offer | None, Writer]:
    writer = Writer(place)
    for piece in pieces:
        writer.push(TextPiece(piece, 1))
    writer.finish()
    return writer.offer(), writer


def accept(place: Place, offer: Offer) -> str:
    return place.text[: offer.start] + offer.text + place.text[offer.end :]


def n_errors(path: str, text: str) -> int:
    language = Place(text, 0, path).language
    tree = parse(language, text) if language is not None else None
    count, pending = 0, [tree.root_node] if tree is not None else []
    while pending:
        node = pending.pop()
        count += node.is_error or node.is_missing
        pending.extend(node.children)
    return count


@given(places(), texts())
@settings(max_examples=120, deadline=None)
def test_an_offer_changes_the_cursors_line_and_says_why_there_is_none(place: Place, text: str) -> None:
    found, writer = offer(place, [text])
    assert (found is None) == bool(writer.reason)
    if found is None:
        return
    assert found.text.strip()
    assert found.start == place.offset
    assert place.offset <= found.end <= place.line_end
    document = accept(place, found)
    assert document != place.text


@given(places(), texts())
@settings(max_examples=120, deadline=None)
def test_no_error_is_added(place: Place, text: str) -> None:
    found, _ = offer(place, [text])
    if found is not None:
        assert n_errors(place.path, accept(place, found)) <= n_errors(place.path, place.text)


@given(places(), texts(), st.lists(st.integers(1, 9), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_pieces_that_a_text_comes_in_make_no_difference(place: Place, text: str, sizes: list[int]) -> None:
    pieces, at, i = [], 0, 0
    while at < len(text):
        size = sizes[i % len(sizes)]
        pieces.append(text[at : at + size])
        at, i = at + size, i + 1
    whole, writer = offer(place, [text])
    cut, other = offer(place, pieces)
    assert whole == cut
    assert writer.reason == other.reason


@given(places(), texts())
@settings(max_examples=80, deadline=None)
def test_no_line_is_the_next_one_below(place: Place, text: str) -> None:
    below = next((line for line in place.text[place.line_end :].split("\n")[1:] if line.strip()), "")
    bare = "".join(below.split())
    found, _ = offer(place, [text + "\n" + below + "\n", "\n" + below])
    if found is None or len(bare) < 12 or bare.endswith(tuple("([{:,")):
        return
    lines = (place.line_before + found.text).split("\n")
    assert all("".join(line.split()) != bare for line in lines)


@given(places(), texts())
@settings(max_examples=40, deadline=None)
def test_ends_of_lines_are_the_documents_own(place: Place, text: str) -> None:
    found, _ = offer(place, [text])
    if found is not None:
        assert found.text.count("\r\n") == (found.text.count("\n") if place.line_break == "\r\n" else 0)
