"""Laws of the sequences that a model is trained on."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice, product
from multiprocessing import active_children
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from train.vocabulary_file import write_vocabulary

pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")

from dsassist.completion.plan import prompt_at
from dsassist_runtime.api import ContextFile, InfillRequest
from dsassist_runtime.engine.fim import infill_prompt
from dsassist_runtime.errors import DsassistError
from dsassist_train.packing import Mix, Packed, next_group, sequences
from dsassist_train.packing.folder import ARGUMENT, BLOCK, CALL, CorpusFolder, Document, span_dtype
from dsassist_train.packing.holes import hole_in
from dsassist_train.packing.samples import samples_of
from dsassist_train.packing.text import DocumentText
from dsassist_train.tokenizer import (
    TextTokenizer,
    gguf_metadata,
    llama_vocabulary,
    load_tokenizer,
)

_ALL = Mix(fim=1.0, context=0.0)
_TEXT = st.text(
    st.one_of(
        st.sampled_from(" \n\t\r.,:;()[]{}'\"=-+#\\/_\u00a0\u3000\x0b\x0c\x85\u2028éß日本🤖\u0301"),
        st.characters(codec="utf-8"),
        st.sampled_from("abcdefXYZ0189"),
    ),
    max_size=400,
)


@pytest.fixture(scope="module")
def corpus(small_corpus: Path) -> CorpusFolder:
    return CorpusFolder(small_corpus)


@pytest.fixture(scope="module")
def tokenizer(small_corpus: Path) -> TextTokenizer:
    return load_tokenizer(small_corpus / "tokenizer.json")


class _Read(NamedTuple):
    """A sample as it is read from its tokens alone."""

    order: str
    head: list[int]
    text: bytes  # prefix, middle, suffix, put together
    middle: bytes
    ended: bool


def _samples(corpus: CorpusFolder, packed: Packed) -> list[_Read]:
    marks = corpus.vocabulary.marks
    tokens = packed.tokens.tolist()
    starts = [i for i, token in enumerate(tokens) if token == marks.bos]
    assert starts[0] == 0
    return [_read(corpus, tokens[a:b]) for a, b in zip(starts, [*starts[1:], len(tokens)], strict=True)]


def _read(corpus: CorpusFolder, tokens: list[int]) -> _Read:
    marks = corpus.vocabulary.marks
    while len(tokens) > 1 and tokens[-1] == tokens[-2] == marks.eot:
        tokens = tokens[:-1]
    ended = tokens[-1] == marks.eot
    body = tokens[1 : len(tokens) - ended]
    assert marks.eot not in body
    decode = corpus.vocabulary.decode
    places = [
        [i for i, token in enumerate(body) if token == mark] for mark in (marks.prefix, marks.suffix, marks.middle)
    ]
    if not any(places):
        assert marks.file not in body
        return _Read("plain", [], decode(body), b"", ended)
    assert [len(each) for each in places] == [1, 1, 1], "each mark once"
    assert ended, "a middle ends"
    (prefix,), (suffix,), (middle,) = places
    assert max(prefix, suffix) < middle, "the middle is last"
    first, second = sorted((prefix, suffix))
    parts = {body[first]: body[first + 1 : second], body[second]: body[second + 1 : middle]}
    written = decode(body[middle + 1 :])
    text = decode(parts[marks.prefix]) + written + decode(parts[marks.suffix])
    return _Read("psm" if prefix < suffix else "spm", body[:first], text, written, ended)


def _corpus_of(
    folder: Path, tokenizer: TextTokenizer, texts: Iterable[str], small_corpus: Path, *, related: tuple[int, ...] = ()
) -> Path:
    """A packed corpus of these texts, a project each, with no spans; `related` is of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    documents, ids = [], []
    for i, text in enumerate(texts):
        own = tokenizer.encode(text)
        end = len(ids) + len(own)
        near = related if i == 0 else ()
        documents.append(
            Document(f"p{i}", f"a{i}.py", "python", "train", len(ids), end, len(text.encode()), 0, 0, near)
        )
        ids += own
    np.array(ids, dtype="<u2").tofile(folder / "tokens.bin")
    np.array([], dtype=span_dtype()).tofile(folder / "spans.bin")
    index = {"format": 1, "dtype": "uint16", "n_vocab": tokenizer.n_vocab, "documents": documents}
    (folder / "documents.json").write_text(json.dumps(index))
    (folder / "tokenizer.json").write_bytes((small_corpus / "tokenizer.json").read_bytes())
    return folder


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_TEXT, places=st.tuples(st.integers(0, 400), st.integers(0, 400)))
@example(text="):\n\n  \n    x", places=(0, 4))
@example(text="a\n\u3000b\n  c", places=(0, 3))
def test_the_ids_of_a_part_are_those_of_its_text_encoded_by_itself(
    tokenizer: TextTokenizer, text: str, places: tuple[int, int]
) -> None:
    document = DocumentText(tokenizer.encode(text), tokenizer.vocabulary, tokenizer.encode)
    start, end = sorted(document.character_at(min(place, len(document))) for place in places)
    assert document.ids(start, end) == tokenizer.encode(document.text(start, end))


@pytest.mark.slow
@pytest.mark.parametrize("length", [64, 256, 1024])
@pytest.mark.parametrize("mix", [Mix(), Mix(fim=1.0, context=1.0), Mix(fim=0.0), Mix(fim=1.0, begun=0.0, spm=0.0)])
def test_an_epoch_holds_every_document_once_and_whole(corpus: CorpusFolder, length: int, mix: Mix) -> None:
    texts = {text.encode() for _, text in corpus.texts("train")}
    by_piece: dict[bytes, int] = defaultdict(int)
    n_bytes = 0
    for packed in sequences(corpus.path, length, 3, mix=mix, epochs=1):
        assert packed.tokens.shape == packed.mask.shape == (length,)
        for sample in _samples(corpus, packed):
            assert any(sample.text in text for text in texts), sample.text[:80]
            by_piece[sample.text] += 1
            n_bytes += len(sample.text)
    assert n_bytes == sum(map(len, texts))
    # The pieces are whole lines in a row, so what every document starts and ends with is a piece's start and end.
    for text in texts:
        assert any(text.startswith(piece) for piece in by_piece)
        assert any(text.endswith(piece) for piece in by_piece)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(_TEXT.filter(bool), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_whatever_the_text_nothing_is_lost_and_marks_are_balanced(
    tmp_path: Path, small_corpus: Path, tokenizer: TextTokenizer, texts: list[str], seed: int
) -> None:
    name = f"{seed}-{abs(hash(tuple(texts)))}"
    corpus = CorpusFolder(_corpus_of(tmp_path / name, tokenizer, texts, small_corpus))
    for mix in (_ALL, Mix(fim=0.5, begun=0.3)):
        found = [
            sample
            for packed in sequences(corpus.path, 64, seed, mix=mix, epochs=1)
            for sample in _samples(corpus, packed)
        ]
        assert sorted(b"".join(sample.text for sample in found)) == sorted(b"".join(text.encode() for text in texts))
        assert all(any(sample.text in text.encode() for text in texts) for sample in found)


def test_a_run_goes_on_exactly_at_any_position(corpus: CorpusFolder) -> None:
    whole = list(islice(sequences(corpus.path, 512, 5), 400))
    n_epoch = sum(1 for _ in sequences(corpus.path, 512, 5, epochs=1))
    assert n_epoch < 400, "the second epoch is looked at too"
    for i in (0, 1, 7, n_epoch - 2, n_epoch - 1, n_epoch, 390):
        rest = list(islice(sequences(corpus.path, 512, 5, whole[i].position), 400 - i - 1))
        for one, other in zip(whole[i + 1 :], rest, strict=True):
            assert one.position == other.position
            assert np.array_equal(one.tokens, other.tokens)
            assert np.array_equal(one.mask, other.mask)


def test_the_number_of_workers_changes_nothing(corpus: CorpusFolder) -> None:
    alone = list(islice(sequences(corpus.path, 128, 5), 60))
    together = list(islice(sequences(corpus.path, 128, 5, n_workers=1), 60))
    assert all(
        np.array_equal(a.tokens, b.tokens) and a.position == b.position for a, b in zip(alone, together, strict=True)
    )


@pytest.mark.slow
def test_an_interrupt_that_reaches_the_workers_ends_none(corpus: CorpusFolder) -> None:
    """Ctrl-C is sent to all processes of a terminal, and the step that a run finishes may need more of them."""
    together = sequences(corpus.path, 128, 5, n_workers=1)
    first = next(together)
    for worker in active_children():
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
    alone = list(islice(sequences(corpus.path, 128, 5), 4000))
    assert len({packed.position >> 20 for packed in alone}) > 4, "more groups than are packed ahead"
    try:
        rest = list(islice(together, 3999))
    except KeyboardInterrupt:  # a worker's own is handed on with its result, and would end pytest
        pytest.fail("a worker was interrupted")
    assert [packed.position for packed in alone] == [packed.position for packed in (first, *rest)]


@pytest.mark.slow
def test_seeds_and_epochs_differ(corpus: CorpusFolder) -> None:
    def epoch(seed: int, number: int) -> list[bytes]:
        start = number << 40
        return [packed.tokens.tobytes() for packed in sequences(corpus.path, 128, seed, start, epochs=number + 1)]

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(2, 0)
    assert set(epoch(1, 0)) != set(epoch(1, 1))


def test_a_length_may_change_where_a_group_begins(corpus: CorpusFolder) -> None:
    stream = sequences(corpus.path, 128, 5)
    assert next_group(0) == 0
    position = next_group(next(stream).position)
    assert position > 0
    assert next_group(position) == position
    assert next(sequences(corpus.path, 512, 5, position)).tokens.shape == (512,)


def test_what_nobody_foretells_is_masked(corpus: CorpusFolder) -> None:
    marks = corpus.vocabulary.marks
    n_told = n_all = 0
    for packed in sequences(corpus.path, 512, 1, mix=Mix(fim=1.0, context=1.0), epochs=1):
        assert not packed.mask[0]
        assert not packed.mask[np.isin(packed.tokens, sorted(marks.never_told))].any()
        after = np.flatnonzero(packed.tokens == marks.eot)
        padding = [i for i in after if packed.tokens[i - 1] == marks.eot]
        assert not packed.mask[padding].any()
        ends = [i for i in after if packed.tokens[i - 1] != marks.eot]
        assert packed.mask[ends].all(), "the end of a middle is to be foretold"
        n_told += int(packed.mask.sum())
        n_all += len(packed.mask)
    assert n_told > 0.85 * n_all


@pytest.mark.slow
def test_shares_are_as_asked_for(corpus: CorpusFolder) -> None:
    def count(mix: Mix) -> tuple[float, float, float]:
        found = [
            sample
            for packed in islice(sequences(corpus.path, 256, 2, mix=mix), 700)
            for sample in _samples(corpus, packed)
        ]
        holes = [sample for sample in found if sample.order != "plain"]
        spm = [sample for sample in holes if sample.order == "spm"]
        with_head = [sample for sample in holes if sample.head]
        return len(holes) / len(found), len(spm) / max(1, len(holes)), len(with_head) / max(1, len(holes))

    fim, spm, _ = count(Mix(fim=0.6, spm=0.25, context=0.0))
    assert (fim, spm) == (pytest.approx(0.6, abs=0.06), pytest.approx(0.25, abs=0.06))
    assert count(Mix(fim=1.0, context=0.0))[2] == 0.0
    assert count(Mix(fim=1.0, context=1.0))[2] > 0.4


def test_a_begun_middle_starts_at_a_line_break(corpus: CorpusFolder) -> None:
    middles = [
        sample.middle
        for packed in islice(sequences(corpus.path, 256, 2, mix=Mix(fim=1.0, begun=1.0, span=0.0)), 200)
        for sample in _samples(corpus, packed)
    ]
    assert sum(middle.startswith(b"\n") for middle in middles) > 0.9 * len(middles)


_ASKED = """import json


def total(numbers):
    found = 0
    for number in numbers:
        found += number
    return found


def load(path):
    with open(path) as file:
        return json.load(file)
"""
_DENSE = "".join(f"q{i} = {i * i * 7919:x}\n" for i in range(12))
"""About a token a character: here the tokens of a part decide whether it fits, not its characters."""


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_a_sample_reads_as_the_runtime_asks(
    tokenizer: TextTokenizer, small_corpus: Path, tmp_path: Path, order: str
) -> None:
    """Its tokens up to the cursor are the prompt of `dsassist.completion` at that cursor, token for token.

    Also where the other file just fits and where it just does not, as the runtime is given what room the sample has.
    The test put the sample together by itself, so that no mistake in packing could be seen.
    """
    folder = _corpus_of(tmp_path / "corpus", tokenizer, [_ASKED, _DENSE], small_corpus, related=(1,))
    corpus, other = CorpusFolder(folder), ContextFile("a1.py", _DENSE.rstrip("\n"))
    mix = Mix(fim=1.0, context=1.0, begun=1.0, spm=float(order == "spm"), block=0, call=0, argument=0, span=0)
    seeds = [seed for seed in range(16) if Random(seed).random() < 0.5]  # those of pieces as long as may be
    n_both = len(tokenizer.encode(_ASKED)) + len(tokenizer.encode(_DENSE))
    compared = {True: 0, False: 0}
    exported = write_vocabulary(tmp_path / "v.gguf", gguf_metadata(folder / "tokenizer.json"))
    with llama_vocabulary(exported) as vocabulary:
        assert vocabulary.fim is not None
        for length, seed in product(range(n_both, n_both + 50), seeds):
            (ours,) = samples_of(corpus, 0, tokenizer.encode, length, mix, Random(seed))
            n_middle = len(ours) - ours.index(tokenizer.marks.middle) - 2  # the mark, and the end of text
            middle = tokenizer.decode(ours[-1 - n_middle : -1]).decode()
            start = _ASKED.index(middle)
            cursor = start + len(middle) // 2 + 1
            prompt = prompt_at(_ASKED[:cursor], _ASKED[start + len(middle) :], 100_000)
            room = length - 12 - n_middle  # BOS, marks and seams of the sample
            if len(tokenizer.encode(prompt.suffix)) > room // 4:
                continue  # the runtime would clip it
            request = InfillRequest(
                prompt.prefix,
                prompt.suffix,
                extra=(other,),
                begun=prompt.begun,
                repository="p0",
                path="a0.py",
                max_tokens=10,
                max_prompt_tokens=room,
            )
            asked = infill_prompt(vocabulary, vocabulary.fim, order, 8192, request)  # type: ignore[arg-type]
            assert ours[: len(asked.tokens)] == asked.tokens, (length, seed, middle)
            assert tokenizer.decode(ours[len(asked.tokens) :]).startswith(asked.owed)
            compared[tokenizer.marks.repository in ours] += 1
    assert min(compared.values()) > 20, compared


def _holes(text: str, kind: str, tokenizer: TextTokenizer, spans: list[tuple[int, int, int]], begun: float) -> set[str]:
    from dsassist_train.packing.folder import Span

    document = DocumentText(tokenizer.encode(text), tokenizer.vocabulary, tokenizer.encode)
    weights = dict.fromkeys(("line", "block", "call", "argument", "span"), 0.0) | {kind: 1.0}
    mix = Mix(begun=begun, **weights)
    found = set()
    for seed in range(60):
        hole = hole_in(document, [Span(*span) for span in spans], 0, len(document), mix, Random(seed), 0)
        found.add(document.text(hole.start, hole.end))
    return found


_SOURCE = "def f(a, b):\n    x = g(a, h(b))\n    return x + 1\n\n\nprint(f(1, 2))\n"


def _at(part: str, within: str = _SOURCE) -> tuple[int, int]:
    start = within.index(part)
    return start, start + len(part)


@pytest.mark.parametrize(
    ("kind", "span", "middle"),
    [
        ("call", (*_at("a, h(b)"), CALL), "\n    x = g(a, h(b))"),  # the closing bracket goes to the middle, as asked
        ("argument", (*_at("a", "a"), ARGUMENT), ""),
        ("block", (*_at("x = g(a, h(b))\n    return x + 1"), BLOCK), "\n    x = g(a, h(b))\n    return x + 1"),
    ],
)
def test_holes_are_cut_where_the_grammar_says(
    tokenizer: TextTokenizer, kind: str, span: tuple[int, int, int], middle: str
) -> None:
    if kind == "argument":
        start = _SOURCE.index("g(a") + 2
        span, middle = (start, start + 1, ARGUMENT), "\n    x = g(a"
    assert _holes(_SOURCE, kind, tokenizer, [span], 1.0) == {middle}
    assert _holes(_SOURCE, kind, tokenizer, [span], 0.0) == {_SOURCE[span[0] : span[1]]}


def test_line_holes_are_whole_lines_when_begun_and_end_with_the_line_when_not(tokenizer: TextTokenizer) -> None:
    lines = {line for line in _SOURCE.split("\n") if line}
    begun = _holes(_SOURCE, "line", tokenizer, [], 1.0)
    assert {hole.strip("\n") for hole in begun} == lines
    assert all(any(line.endswith(hole) for line in lines) for hole in _holes(_SOURCE, "line", tokenizer, [], 0.0))


def _damage(change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda folder: change(folder) and None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_damage(lambda folder: (folder / "documents.json").unlink()), r"is no corpus .*dsassist train corpus DIR"),
        (
            _damage(lambda folder: (folder / "documents.json").write_text("{")),
            r"damaged: documents\.json cannot be read",
        ),
        (_damage(lambda folder: (folder / "documents.json").write_text("{}")), r"of another version"),
        (_damage(lambda folder: (folder / "tokens.bin").write_bytes(b"abcd")), r"2 tokens, and \d+ are listed"),
        (_damage(lambda folder: (folder / "tokens.bin").write_bytes(b"abc")), r"tokens\.bin ends within a number"),
        (_damage(lambda folder: (folder / "tokens.bin").unlink()), r"tokens\.bin cannot be read"),
        (_damage(lambda folder: (folder / "spans.bin").write_bytes(bytes(18))), r"spans\.bin has 2 spans, and 0 are "),
        (_damage(lambda folder: (folder / "tokenizer.json").unlink()), r"there is no vocabulary"),
    ],
)
def test_a_damaged_corpus_is_told_in_one_sentence(
    tmp_path: Path, small_corpus: Path, tokenizer: TextTokenizer, change: Callable[[Path], None], message: str
) -> None:
    folder = _corpus_of(tmp_path / "corpus", tokenizer, ["x = 1\n" * 30], small_corpus)
    change(folder)
    with pytest.raises(DsassistError, match=message):
        next(sequences(folder, 64, 1))


def test_a_corpus_without_documents_to_validate_on_is_refused(
    tmp_path: Path, small_corpus: Path, tokenizer: TextTokenizer
) -> None:
    folder = _corpus_of(tmp_path / "corpus", tokenizer, ["x = 1\n" * 30], small_corpus)
    with pytest.raises(DsassistError, match="no documents to valid on"):
        next(sequences(folder, 64, 1, split="valid"))


def test_a_share_beyond_one_and_a_sequence_too_short_are_refused(small_corpus: Path) -> None:
    with pytest.raises(ValueError, match="fim is a share"):
        Mix(fim=1.5)
    with pytest.raises(ValueError, match="weight 0"):
        Mix(line=0, block=0, call=0, argument=0, span=0)
    with pytest.raises(ValueError, match="64 is the least"):
        next(sequences(small_corpus, 63, 1))
