"""What a writer offers and when, beside the golden cases: confidence, limits, unfinished lines, and where it stops."""

from __future__ import annotations

import math

import pytest

from dsassist.completion.place import Place
from dsassist.completion.writer import Offer, Writer
from dsassist_runtime.api import TextPiece, TokenLogprob


def piece(text: str, probability: float | None = None) -> TextPiece:
    if probability is None:
        return TextPiece(text, 1)
    return TextPiece(text, 1, logprobs=(TokenLogprob(0, text, math.log(probability)),))


def at(document: str, path: str = "a.py") -> Place:
    before, after = document.split("|")
    return Place(before + after, len(before), path)


def text_of(offer: Offer | None) -> str | None:
    return None if offer is None else offer.text


def pieces_until_done(writer: Writer, text: str) -> str:
    """What of the text was written when the decode was stopped."""
    for n, character in enumerate(text, 1):
        writer.push(piece(character))
        if writer.done:
            return text[:n]
    return text


def test_the_probability_is_that_of_the_first_line() -> None:
    writer = Writer(at("def f(a):\n    |\n"))
    for text, probability in [
        ("if", 0.5),
        (" a:", 0.8),
        ("\n        ", 0.9),
        ("return", 0.5),
        (" 1", 1.0),
        ("\n", 1.0),
    ]:
        writer.push(piece(text, probability))
    writer.finish()
    offer = writer.offer()
    assert offer is not None
    assert offer.text == "if a:\n        return 1"
    assert offer.probability == pytest.approx(0.4)


def test_an_engine_that_tells_no_probabilities_is_believed() -> None:
    writer = Writer(at("x = |\n"))
    writer.push(piece("1\n"))
    offer = writer.offer(min_probability=0.9)
    assert offer is not None
    assert offer.probability == 1.0


def test_an_unlikely_first_line_hides_all() -> None:
    writer = Writer(at("x = |\n"))
    writer.push(piece("1", 0.12))
    writer.push(piece("\n", 1.0))
    assert writer.offer(min_probability=0.3) is None
    assert writer.reason == "low confidence 0.12"
    assert text_of(writer.offer(min_probability=0.1)) == "1"
    assert writer.reason == ""


def test_lines_are_shown_up_to_the_first_unlikely_one() -> None:
    writer = Writer(at("def f(a):\n    |\n"))
    for text, probability in [("b = a", 0.9), ("\n    c = b", 0.8), ("\n    d = c", 0.1), ("\n    return d", 0.9)]:
        writer.push(piece(text, probability))
    writer.finish()
    assert text_of(writer.offer()) == "b = a\n    c = b\n    d = c\n    return d"
    assert text_of(writer.offer(min_probability=0.5)) == "b = a\n    c = b"


def test_a_body_that_is_unlikely_takes_its_head_along() -> None:
    writer = Writer(at("def f(a):\n    |\n"))
    for text, probability in [("b = a\n", 0.9), ("    if b:", 0.9), ("\n        return 1", 0.1)]:
        writer.push(piece(text, probability))
    writer.finish()
    assert text_of(writer.offer(min_probability=0.5)) == "b = a"


def test_a_first_token_that_begins_before_the_cursor_counts() -> None:
    """The last token of the prompt is written anew (`InfillRequest.begun`): `re` was typed, the token is `return`."""
    writer = Writer(at("def f(a):\n    re|\n"))
    writer.push(TextPiece("turn", 1, logprobs=(TokenLogprob(0, "return", math.log(0.5)),)))
    writer.push(piece(" a", 0.5))
    writer.finish()
    offer = writer.offer()
    assert offer is not None
    assert offer.probability == pytest.approx(0.25)


def test_a_token_may_be_reported_before_its_text() -> None:
    writer = Writer(at("x = '|'\n"))
    writer.push(TextPiece("", 1, logprobs=(TokenLogprob(0, "�", math.log(0.5), raw=(0xC3,)),)))
    writer.push(TextPiece("é", 2, logprobs=(TokenLogprob(1, "�", math.log(0.5), raw=(0xA9,)),)))
    writer.finish()
    offer = writer.offer()
    assert offer is not None
    assert offer.probability == pytest.approx(0.25)


def test_without_multiline_it_is_one_line_everywhere() -> None:
    writer = Writer(at("def f(a):\n    |\n"), multiline=False)
    assert pieces_until_done(writer, "b = a\n    c = b\n") == "b = a\n"
    assert text_of(writer.offer()) == "b = a"


def test_without_multiline_nothing_is_offered_in_the_next_line() -> None:
    writer = Writer(at("def f(a):|\n"), multiline=False)
    assert pieces_until_done(writer, "\n    return a\n") == "\n"
    assert writer.offer() is None
    assert writer.reason == "it goes on in another line"


@pytest.mark.parametrize(
    ("max_lines", "expected"), [(1, "b = a"), (2, "b = a\n    c = b"), (0, "b = a\n    c = b\n    d")]
)
def test_lines_are_limited(max_lines: int, expected: str) -> None:
    writer = Writer(at("def f(a):\n    |\n"), max_lines=max_lines)
    pieces_until_done(writer, "b = a\n    c = b\n    d\n")
    writer.finish()
    assert text_of(writer.offer()) == expected


def test_the_line_break_before_the_first_line_is_none_of_them() -> None:
    writer = Writer(at("def f(a):|\n"), max_lines=2)
    pieces_until_done(writer, "\n    b = a\n    return b\n    more()\n")
    assert text_of(writer.offer()) == "\n    b = a\n    return b"


def test_a_later_line_is_offered_once_it_is_finished() -> None:
    writer = Writer(at("def f(a):\n    |\n"))
    writer.push(piece("b = a\n    ret"))
    assert text_of(writer.offer()) == "b = a"
    assert writer.n_lines == 1
    writer.push(piece("urn b"))
    assert text_of(writer.offer()) == "b = a"
    writer.finish()
    assert text_of(writer.offer()) == "b = a\n    return b"


def test_a_line_that_was_cut_short_is_left_out() -> None:
    writer = Writer(at("def f(a):\n    |\n"))
    writer.push(piece("b = a\n    return b"))
    writer.finish(cut_short=True)
    assert text_of(writer.offer()) == "b = a"


def test_an_only_line_that_was_cut_short_is_offered_where_it_parses() -> None:
    writer = Writer(at("x = |\n"))
    writer.push(piece("first + second"))
    writer.finish(cut_short=True)
    assert text_of(writer.offer()) == "first + second"


@pytest.mark.parametrize(
    ("document", "text", "read"),
    [
        ("x = |\n", "1\ny = 2\n", "1\n"),
        ("if | and b:\n    go()\n", "a\n    stop()\n", "a\n"),
        ("f(|, beta)\n", "alpha, beta)\nmore()\n", "alpha, beta)"),
        ("def f():\n    |\n\ndef g():\n    pass\n", "a = 1\n\ndef g():\n    pass\n", "a = 1\n\nde"),
        (
            "def f():\n    |\n    return compute(a, b)\n",
            "a = 1\n    return compute(a, b)\n",
            "a = 1\n    return compute(a,",
        ),
        ("def f():\n    |\n", "a = 1\n```\nThis", "a = 1\n`"),
        ("def f():\n    |\n", "return 1<|im_end|>\n", "return 1<|im_end|>"),
        ("x = |\n", "f(" + "ab, " * 100 + ")", "f(" + "ab, " * 100 + ")"),
        ("# words |\n", "and more\nx = 1\n", "and more\n"),
        ("x = '|'\n", "text'\ny = 2\n", "text'\n"),
        # It closes more than is open.
        ("def f():\n    |\n", "x = g(1))\n    y = 2\n    return y\n", "x = g(1))\n"),
        ("def f():\n    |\n", "a = 1\n    x = [g(1)]]\n    y = 2\n", "a = 1\n    x = [g(1)]]\n"),
        ("def f(|):\n    pass\n", "a)):\n    return a\n", "a)):\n"),
        # It repeats the line below, whatever is remarked behind.
        ("def f():\n    |\n    return compute(a)\n", "return compute(a)  # the result", "return compute(a)  #"),
    ],
)
def test_the_decode_is_stopped_when_no_more_can_be_shown(document: str, text: str, read: str) -> None:
    stopped_at = pieces_until_done(Writer(at(document)), text)
    assert len(stopped_at) <= len(read)
    assert text.startswith(stopped_at)


@pytest.mark.parametrize(
    ("path", "document", "text"),
    [
        ("a.py", "x = f(\n    1,\n    |\n)\n", "g(2))\ny = h(\n    3\n"),  # for the one that stands below
        ("a.py", "x = f(\n    1,\n    |\n\n", "g(2))\n"),
        ("a.py", "def f():\n    |\n", 'x = ")"\n    y = 2  # :)\n    return y\n'),
        ("a.py", "def f():\n    |\n", 'x = f"{g(")")}"\n    return x\n'),
        ("a.js", "function f(a) {\n  |\n}\n", "const b = /[)]/;\n  const c = b;\n"),
        ("a.js", "function f(a) {\n  |\n}\n", "if (a) {\n    a = /\\)]/;\n    g(a);\n  }\n"),
        ("a.rs", "fn f<'a>(s: &'a str) {\n    |\n}\n", "let c = ')';\n    let d = c;\n"),
        ("a.sh", "case $a in\n  |\nesac\n", "x)\n    echo 1\n    ;;\n"),
    ],
)
def test_what_closes_no_more_than_is_open_is_read_on(path: str, document: str, text: str) -> None:
    writer, without_limits = Writer(at(document, path)), _MostPatient(at(document, path))
    assert pieces_until_done(writer, text) == pieces_until_done(without_limits, text)
    writer.finish()
    without_limits.finish()
    assert writer.offer() == without_limits.offer()


class _MostPatient(Writer):
    """Reads on whatever a line closes."""

    def _is_spoilt(self) -> bool:
        return False


def test_to_end_a_text_that_closes_too_much_changes_nothing_that_is_shown() -> None:
    document, text = "def f(a):\n    b = a\n    |\n\n\nx = 1\n", "c = g(b)\n    d = [h(c)]\n    return d\n"
    for at_character in range(len(text)):
        for closer in ")]}":
            spoilt = text[:at_character] + closer + text[at_character:]
            writer, patient = Writer(at(document)), _MostPatient(at(document))
            read = pieces_until_done(writer, spoilt)
            assert len(read) <= len(pieces_until_done(patient, spoilt))
            writer.finish()
            patient.finish()
            assert writer.offer() == patient.offer(), spoilt


@pytest.mark.parametrize(
    "text", ["f()" + "()" * 60, "a, b" + ", b" * 60, "x" * 200, 'x + "--" + str(x)' + ' + "--" + str(x)' * 20]
)
def test_a_model_that_has_run_away_is_stopped(text: str) -> None:
    assert len(pieces_until_done(Writer(at("x = |\n")), text)) < 70


def test_what_comes_after_the_end_changes_nothing() -> None:
    writer = Writer(at("x = |\n"))
    writer.push(piece("1\n"))
    assert writer.done
    writer.push(piece("y = 2\n"))
    assert text_of(writer.offer()) == "1"


def test_a_model_that_writes_nothing_is_told_of() -> None:
    writer = Writer(at("x = |\n"))
    writer.finish()
    assert writer.offer() is None
    assert writer.reason == "the model wrote nothing"


def test_a_file_on_one_line_costs_no_more_than_a_short_one() -> None:
    """Half a megabyte of it was once scanned with each token: 16 seconds for one line."""
    line = "f(a,[b,{c:1}]);" * 40_000
    writer = Writer(Place(line + line, len(line), "a.unknown"))
    pieces_until_done(writer, "g(a);f(a,[b,{c:1}]);f(a,[b,{c:1}]);\n")
    assert text_of(writer.offer()) == "g(a);"


def test_a_lone_surrogate_before_the_cursor_moves_no_range() -> None:
    writer = Writer(at("x = '\ud83d'; print(|)\n"))
    writer.push(piece("x)\n"))
    assert writer.offer() == Offer("x)", 15, 16)


def unlikely(text: str, logprob: float) -> TextPiece:
    return TextPiece(text, 1, logprobs=(TokenLogprob(0, text, logprob),))


def test_a_line_that_has_become_too_unlikely_ends_the_text() -> None:
    place = Place("x = \n", 4, "a.py")
    writer = Writer(place, min_probability=0.1)
    writer.push(unlikely("a", -1.0))
    assert not writer.done
    writer.push(unlikely(" + b", -2.0))
    assert writer.done
    assert writer.offer(0.1) is None
    assert writer.reason == "low confidence 0.05"


def test_a_later_line_that_has_become_too_unlikely_is_left_out() -> None:
    place = Place("def f():\n    \n", 13, "a.py")
    writer = Writer(place, min_probability=0.1)
    for piece in (unlikely("a = 1\n", -0.1), unlikely("    b = ", -0.1), unlikely("12345", -9.0)):
        writer.push(piece)
    assert writer.done
    offer = writer.offer(0.1)
    assert offer is not None
    assert offer.text == "a = 1"


def test_without_a_least_probability_nothing_ends_for_it() -> None:
    writer = Writer(Place("x = \n", 4, "a.py"))
    writer.push(unlikely("a", -50.0))
    assert not writer.done


def test_a_remark_behind_the_code_does_not_count_against_it() -> None:
    writer = Writer(Place("for a in b:\n    \n", 16, "a.py"), min_probability=0.1)
    for each in (
        unlikely("total += a", -0.5),
        unlikely("  #", -0.5),
        unlikely(" Assuming", -9.0),
        unlikely("\n", -0.1),
    ):
        writer.push(each)
    offer = writer.offer(0.1)
    assert offer is not None
    assert offer.text == "total += a"
    assert offer.probability > 0.5


def test_a_model_that_writes_blanks_alone_is_stopped() -> None:
    """Behind eight blanks Qwen2.5-Coder-0.5B wrote 200 more, and a person waited for half a minute."""
    writer = Writer(at("def f():\n        |\n\ndef g():\n    pass\n"))
    read = pieces_until_done(writer, " " * 400)
    assert len(read) < 80
    assert writer.offer() is None
