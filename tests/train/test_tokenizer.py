"""Ids for training against llama.cpp's own, on the vocabulary as it is exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from dsassist_runtime.errors import DsassistError, ModelUnsupported
from train.vocabulary_file import write_vocabulary

pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")

from dsassist_train.packing.folder import CorpusFolder
from dsassist_train.tokenizer import (
    TextTokenizer,
    differing_text,
    gguf_metadata,
    llama_vocabulary,
    load_tokenizer,
    load_vocabulary,
    take_over,
    train_tokenizer,
)

_ODD = [
    "",
    " ",
    "\n",
    "\t\tx\n",
    "a\r\nb\r\n\r\n  c",
    "    \n\n    return x\n        \n",
    "x  =  1\n\n\n\ny",
    "def f(self, *, a: int = 0x1F, b='it''s I'LL don't we'Ve') -> None:\n",
    "größe = 'naïve café'  # 日本語のコメント\n",
    "\u00a0\u2003x\u3000y\u2028z\u0085w\x0b\x0cv\x1cq",
    "🤖👨‍👩‍👧‍👦\U0001f1e9\U0001f1ea e\u0301 \u202e",
    "1234567890 3.14e-10 0b1010 ²³¼ ٣",
    "!!!???...;;;::: --> <== ||| &&& \\\\\\ ''' \"\"\"",
    "<|endoftext|> <|fim_prefix|>a<|fim_middle|> <|im_start|>",
    "CamelCaseName snake_case_name SCREAMING_CASE kebab-case",
    "\ufeffimport os",
    "a\x00b\x01c\x7f",
    "x" * 3000 + " " * 700 + "\n" * 300,
]


@pytest.fixture(scope="module")
def tokenizer(small_corpus: Path) -> TextTokenizer:
    return load_tokenizer(small_corpus / "tokenizer.json")


def _snippets(folder: Path) -> Iterator[str]:
    """Parts of source files, cut anywhere, and of what nobody writes."""
    draw = Random(7)
    texts = [text for split in ("train", "valid") for _, text in CorpusFolder(folder).texts(split)]
    for text in texts:
        for _ in range(4):
            start = draw.randrange(len(text))
            yield text[start : start + draw.randrange(1, 900)]
    signs = [
        *" \t\n\r",
        *"abcXYZ019_.,:()[]{}'\"#-=+\\/<>|",
        "é",
        "ß",
        "日",
        "🤖",
        "\u00a0",
        "\u3000",
        "\u0301",
        "'s",
        "'LL",
    ]
    for _ in range(300):
        yield "".join(draw.choices(signs, k=draw.randrange(1, 60)))


def test_llama_cpp_gives_the_same_ids_on_the_exported_vocabulary(
    small_corpus: Path, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    exported = write_vocabulary(tmp_path / "v.gguf", gguf_metadata(small_corpus / "tokenizer.json"))
    snippets = [*_ODD, *_snippets(small_corpus)]
    assert len(snippets) > 500
    with llama_vocabulary(exported) as other:
        assert other.n_tokens == tokenizer.n_vocab
        assert differing_text(tokenizer, other, snippets) is None


def test_llama_cpp_finds_all_marks_in_the_exported_vocabulary(
    small_corpus: Path, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    exported = write_vocabulary(tmp_path / "v.gguf", gguf_metadata(small_corpus / "tokenizer.json"))
    with llama_vocabulary(exported) as other:
        found, marks = other.fim, tokenizer.marks
        assert found is not None
        assert (found.prefix, found.suffix, found.middle) == (marks.prefix, marks.suffix, marks.middle)
        assert (found.repository, found.file) == (marks.repository, marks.file)
        assert (other.bos, other.adds_bos) == (marks.bos, True)
        assert other.is_end(marks.eot)
        assert all(other.piece(mark) == b"" for mark in marks.never_told)


def test_texts_come_back_as_they_were(tokenizer: TextTokenizer) -> None:
    for text in _ODD:
        assert tokenizer.decode(tokenizer.encode(text)) == text.encode()


def test_a_mark_that_stands_in_a_text_is_text(tokenizer: TextTokenizer) -> None:
    ids = tokenizer.encode("x = '<|fim_middle|><|endoftext|>'")
    assert not {tokenizer.marks.middle, tokenizer.marks.eot} & set(ids)


def test_pieces_are_those_of_llama_cpp(small_corpus: Path, tmp_path: Path) -> None:
    vocabulary = load_vocabulary(small_corpus / "tokenizer.json")
    exported = write_vocabulary(tmp_path / "v.gguf", gguf_metadata(small_corpus / "tokenizer.json"))
    with llama_vocabulary(exported) as other:
        assert [other.piece(i) for i in range(other.n_tokens)] == list(vocabulary.pieces)


def test_the_vocabulary_of_a_model_is_taken_over_with_its_ids(
    builtin_model: Path, small_corpus: Path, tmp_path: Path
) -> None:
    take_over(builtin_model, tmp_path / "tokenizer.json")
    taken = load_tokenizer(tmp_path / "tokenizer.json")
    with llama_vocabulary(builtin_model) as other:
        assert taken.n_vocab == other.n_tokens
        assert differing_text(taken, other, [*_ODD, *_snippets(small_corpus)]) is None
        assert other.fim is not None
        assert (taken.marks.prefix, taken.marks.middle) == (other.fim.prefix, other.fim.middle)


def test_a_user_defined_token_is_found_in_plain_text_as_llama_cpp_does(small_corpus: Path, tmp_path: Path) -> None:
    metadata = gguf_metadata(small_corpus / "tokenizer.json")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    assert isinstance(tokens, list)
    assert isinstance(types, list)
    metadata["tokenizer.ggml.tokens"] = [*tokens, b"<tool>"]  # type: ignore[list-item]
    metadata["tokenizer.ggml.token_type"] = [*types, 4]  # type: ignore[list-item]
    model = write_vocabulary(tmp_path / "v.gguf", metadata)
    take_over(model, tmp_path / "tokenizer.json")
    taken = load_tokenizer(tmp_path / "tokenizer.json")
    with llama_vocabulary(model) as other:
        ids = taken.encode("a <tool>b")
        assert ids == other.tokenize("a <tool>b")
        assert taken.n_vocab - 1 in ids
        assert taken.decode(ids) == b"a <tool>b"


def test_a_vocabulary_that_splits_text_otherwise_is_refused(small_corpus: Path, tmp_path: Path) -> None:
    metadata = gguf_metadata(small_corpus / "tokenizer.json") | {"tokenizer.ggml.pre": "llama-bpe"}
    with pytest.raises(ModelUnsupported, match=r"splits text as llama-bpe, and .* leave out --vocab"):
        take_over(write_vocabulary(tmp_path / "v.gguf", metadata), tmp_path / "tokenizer.json")


def test_a_vocabulary_without_marks_is_refused_in_one_sentence(small_corpus: Path, tmp_path: Path) -> None:
    data = json.loads((small_corpus / "tokenizer.json").read_text())
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] != "<|fim_middle|>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(DsassistError, match=r"has no <\|fim_middle\|>"):
        load_vocabulary(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DsassistError, match=r"tokenizer\.json is no vocabulary"):
        load_vocabulary(tmp_path / "tokenizer.json")


def test_a_vocabulary_for_which_there_is_no_room_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """`tokenizers` writes with a bare Exception, which passed for an error of ours."""
    (tmp_path / "tokenizer.json").symlink_to("/dev/full")  # every write there finds no space left
    with pytest.raises(OSError, match="No space left on device"):
        train_tokenizer(["x = 1\n"], 300, tmp_path / "tokenizer.json")


def test_unused_tokens_of_a_model_stand_for_no_text(small_corpus: Path, tmp_path: Path) -> None:
    """Taken for text, those that fill up Qwen2.5's vocabulary kept a small model from drafting for it."""
    metadata = gguf_metadata(small_corpus / "tokenizer.json")
    types = metadata["tokenizer.ggml.token_type"]
    assert isinstance(types, list)
    types[700] = 5  # LLAMA_TOKEN_TYPE_UNUSED
    model = write_vocabulary(tmp_path / "model.gguf", metadata)
    take_over(model, tmp_path / "tokenizer.json")
    exported = write_vocabulary(tmp_path / "exported.gguf", gguf_metadata(tmp_path / "tokenizer.json"))
    with llama_vocabulary(model) as theirs, llama_vocabulary(exported) as ours:
        pieces = load_vocabulary(tmp_path / "tokenizer.json").pieces
        assert pieces[700] == ours.piece(700) == theirs.piece(700) == b""
        assert pieces[699] == ours.piece(699) == theirs.piece(699) != b""
