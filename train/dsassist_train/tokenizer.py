"""Text to token ids for training: byte-level BPE, the same ids as llama.cpp gives by the exported vocabulary.

The pre-tokenizer is Qwen2's, as llama.cpp has it (llama-vocab.cpp, `LLAMA_VOCAB_PRE_TYPE_QWEN2`), without a normaliser:
llama.cpp has none. `tokenizers` is needed to encode only; pieces, marks and what a GGUF holds of a vocabulary come from
the file `tokenizer.json` alone.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelUnsupported
from dsassist_runtime.gguf import ArrayInFile, GgufHeader, read_header

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from dsassist_runtime.llama.model import Vocabulary as LlamaVocabulary

__all__ = [
    "Marks",
    "TextTokenizer",
    "Vocabulary",
    "differing_text",
    "gguf_metadata",
    "llama_vocabulary",
    "load_tokenizer",
    "load_vocabulary",
    "require_tokenizers",
    "take_over",
    "train_tokenizer",
]

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PRE = "qwen2"
_MARKS = {  # llama.cpp knows these by their texts as well
    "bos": "<|bos|>",
    "eot": "<|endoftext|>",
    "prefix": "<|fim_prefix|>",
    "suffix": "<|fim_suffix|>",
    "middle": "<|fim_middle|>",
    "repository": "<|repo_name|>",
    "file": "<|file_sep|>",
}
_N_RESERVED = 5
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5  # llama_token_type
_MOST_UINT16 = 1 << 16
_NO_TOKENIZERS = "`dsassist train` needs the package tokenizers; install it by `pip install 'dsassist[train]'`"


@dataclass(frozen=True)
class Marks:
    """The ids of tokens that stand for no text; those of a repository are None where a vocabulary has none."""

    bos: int | None
    eot: int
    prefix: int
    suffix: int
    middle: int
    repository: int | None
    file: int | None
    adds_bos: bool

    @property
    def never_told(self) -> frozenset[int]:
        """Those that a model is never asked to foretell: whoever asks puts them into the prompt."""
        marks = (self.bos, self.prefix, self.suffix, self.middle, self.repository, self.file)
        return frozenset(mark for mark in marks if mark is not None)


@dataclass(frozen=True)
class Vocabulary:
    """What each token id stands for, and which ones are marks."""

    pieces: tuple[bytes, ...]
    marks: Marks

    @property
    def n_vocab(self) -> int:
        """How many ids there are."""
        return len(self.pieces)

    @property
    def dtype(self) -> str:
        """The least type that holds an id, as `tokens.bin` has it."""
        return "uint16" if self.n_vocab <= _MOST_UINT16 else "uint32"

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes that tokens stand for; marks stand for none."""
        return b"".join(map(self.pieces.__getitem__, tokens))

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """How many bytes each token stands for."""
        return tuple(map(len, self.pieces))


class TextTokenizer:
    """A vocabulary that encodes as well.

    A mark that is written in a text is text, as llama.cpp takes the parts of a prompt.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.marks = vocabulary.marks
        self.n_vocab = vocabulary.n_vocab

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of several texts, by all cores."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [each.ids for each in encoded]

    def decode(self, tokens: Iterable[int]) -> bytes:
        """The bytes that tokens stand for; marks stand for none."""
        return self.vocabulary.decode(tokens)


def require_tokenizers() -> None:
    """`DsassistError` where the package is not installed, before any work is done."""
    if find_spec("tokenizers") is None:
        raise DsassistError(_NO_TOKENIZERS)


def train_tokenizer(texts: Iterable[str], n_vocab: int, path: Path) -> None:
    """Learn a vocabulary of `n_vocab` tokens, marks included, and write it as `tokenizer.json`."""
    from tokenizers import trainers

    tokenizer = _new_tokenizer([], {})
    marks = [*_MARKS.values(), *(f"<|reserved_{i}|>" for i in range(_N_RESERVED))]
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        special_tokens=marks,
        initial_alphabet=sorted(_BYTE_OF),
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(texts, trainer)
    _save(tokenizer, path)


def take_over(model: Path, path: Path) -> None:
    """Write the vocabulary of a GGUF as `tokenizer.json`, so that a model with it can draft for that one.

    `ModelUnsupported` unless it is byte-level BPE with the pre-tokenizer qwen2.
    """
    header = read_header(model)
    kind, pre = header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")
    if (kind, pre) != ("gpt2", _PRE):
        raise ModelUnsupported(
            f"{model} splits text as {pre or kind or 'nothing known'}, and a vocabulary can be taken over from models "
            f"that do so as {_PRE} (Qwen2 and later); choose one of those, or leave out --vocab"
        )
    tokens = [raw.decode("utf-8") for raw in header.strings("tokenizer.ggml.tokens")]
    merges = [raw.decode("utf-8") for raw in header.strings("tokenizer.ggml.merges")]
    types = _token_types(header, len(tokens))
    vocabulary = {text: i for i, text in enumerate(tokens)}
    tokenizer = _new_tokenizer([tuple(merge.split(" ")) for merge in merges], vocabulary)
    from tokenizers import AddedToken

    # What is unused stands for no text either, and could not be told from text otherwise.
    for kinds, is_special in (((_CONTROL, _UNUSED), True), ((_USER_DEFINED,), False)):
        added = [text for text, each in zip(tokens, types, strict=True) if each in kinds]
        tokenizer.add_tokens([AddedToken(text, special=is_special, normalized=False) for text in added])
    _save(tokenizer, path)


def load_tokenizer(path: Path) -> TextTokenizer:
    """Read a `tokenizer.json` that was written here."""
    require_tokenizers()
    from tokenizers import Tokenizer

    vocabulary = load_vocabulary(path)
    return TextTokenizer(Tokenizer.from_file(str(path)), vocabulary)


def load_vocabulary(path: Path) -> Vocabulary:
    """The same without `tokenizers`: what its ids stand for."""
    file = _File(path)
    return Vocabulary(tuple(file.piece(i) for i in range(len(file.texts))), file.marks)


def gguf_metadata(path: Path) -> dict[str, str | bool | int | list[bytes] | list[int]]:
    """The `tokenizer.ggml.*` keys of a GGUF with the vocabulary of a `tokenizer.json`.

    Whole numbers are `uint32`, the token types `int32`; tokens and merges are UTF-8.
    """
    file = _File(path)
    marks = file.marks
    keys = {
        "bos_token_id": marks.bos,
        "eos_token_id": marks.eot,
        "eot_token_id": marks.eot,
        "padding_token_id": marks.eot,
        "fim_pre_token_id": marks.prefix,
        "fim_suf_token_id": marks.suffix,
        "fim_mid_token_id": marks.middle,
        "fim_rep_token_id": marks.repository,
        "fim_sep_token_id": marks.file,
    }
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _PRE,
        "tokenizer.ggml.tokens": [text.encode() for text in file.texts],
        "tokenizer.ggml.token_type": [file.types.get(i, _NORMAL) for i in range(len(file.texts))],
        "tokenizer.ggml.merges": file.merges,
        **{f"tokenizer.ggml.{key}": token for key, token in keys.items() if token is not None},
        "tokenizer.ggml.add_bos_token": marks.adds_bos,
    }


def differing_text(tokenizer: TextTokenizer, other: LlamaVocabulary, texts: Iterable[str]) -> str | None:
    """The first text that llama.cpp gives other ids; None where there is none."""
    return next((text for text in texts if tokenizer.encode(text) != other.tokenize(text)), None)


@contextmanager
def llama_vocabulary(model: Path) -> Iterator[LlamaVocabulary]:
    """The vocabulary of a GGUF as llama.cpp has it, without the weights."""
    from dsassist_runtime.llama.library import load_library
    from dsassist_runtime.llama.model import Vocabulary as LlamaVocabulary

    library = load_library()
    params = library.llama_model_default_params()
    params.vocab_only = True
    pointer: Any = library.llama_model_load_from_file(str(model).encode("utf-8", "surrogateescape"), params)
    if not pointer:
        raise ModelInvalid(f"llama.cpp cannot read the vocabulary of {model}; choose another model for --vocab")
    try:
        yield LlamaVocabulary(library.llama_model_get_vocab(pointer))
    finally:
        library.llama_model_free(pointer)


def _new_tokenizer(merges: list[Any], vocabulary: dict[str, int]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _save(tokenizer: Tokenizer, path: Path) -> None:
    # `tokenizer.save` raises a bare Exception where the disk is full.
    path.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    load_vocabulary(path)  # says now what it lacks


class _File:
    """A `tokenizer.json` as it stands: the texts of its ids, in which bytes are letters, and what is added to them."""

    def __init__(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            model, added = data["model"], data["added_tokens"]
            ids: dict[int, str] = {i: text for text, i in model["vocab"].items()}
            ids |= {token["id"]: token["content"] for token in added}
            self.texts = [ids[i] for i in range(len(ids))]
            self.types = {token["id"]: _CONTROL if token["special"] else _USER_DEFINED for token in added}
            self.merges = [_merge(each).encode() for each in model["merges"]]
        except FileNotFoundError:
            raise DsassistError(f"there is no vocabulary {path}; make the corpus by `dsassist train corpus`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DsassistError(f"{path} is no vocabulary of `dsassist train corpus` ({error}); make it anew") from None
        self.marks = self._marks(path)

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        text, kind = self.texts[token], self.types.get(token, _NORMAL)
        if kind == _CONTROL:
            return b""
        if kind == _USER_DEFINED or not all(map(_BYTE_OF.__contains__, text)):
            return text.encode()
        return bytes(map(_BYTE_OF.__getitem__, text))

    def _marks(self, path: Path) -> Marks:
        special = {self.texts[token]: token for token, kind in self.types.items() if kind == _CONTROL}
        found = {name: special.get(text) for name, text in _MARKS.items()}
        eot, prefix, suffix, middle = (found[name] for name in ("eot", "prefix", "suffix", "middle"))
        if eot is None or prefix is None or suffix is None or middle is None:
            lacking = [_MARKS[name] for name in ("eot", "prefix", "suffix", "middle") if found[name] is None]
            raise DsassistError(f"the vocabulary {path} has no {lacking[0]}, without which no middle can be learnt")
        bos = found["bos"]
        return Marks(bos, eot, prefix, suffix, middle, found["repository"], found["file"], adds_bos=bos is not None)


def _merge(merge: str | list[str]) -> str:
    return merge if isinstance(merge, str) else " ".join(merge)


def _token_types(header: GgufHeader, n_tokens: int) -> Sequence[int]:
    """The types of a GGUF's tokens, an array that the header reader leaves in the file."""
    key = "tokenizer.ggml.token_type"
    found = header.metadata.get(key)
    if isinstance(found, tuple):
        return [int(each) for each in found]
    if not isinstance(found, ArrayInFile):
        return [_NORMAL] * n_tokens
    with header.path.open("rb") as file:
        file.seek(found.offset)
        return list((ctypes.c_int32 * found.count).from_buffer_copy(file.read(4 * found.count)))


def _byte_letters() -> dict[str, int]:
    """The letter for each byte, as GPT-2 has it: bytes that print are themselves, the others follow from U+0100 on."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _byte_letters()
