"""A loaded model file and its vocabulary."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dsassist_runtime.errors import ModelInvalid, ModelUnsupported
from dsassist_runtime.llama.beginnings import Beginnings
from dsassist_runtime.llama.library import last_words, load_library
from dsassist_runtime.llama.placement import NOT_PLACED, Placement

__all__ = ["FimTokens", "Model", "SpecialToken", "Vocabulary"]


# llama_token_attr
_ATTRIBUTE_UNKNOWN = 1
_ATTRIBUTE_UNUSED = 2
_ATTRIBUTE_CONTROL = 8
_ATTRIBUTE_LSTRIP = 128
_ATTRIBUTE_RSTRIP = 256
_SPECIAL = _ATTRIBUTE_UNKNOWN | _ATTRIBUTE_CONTROL


@dataclass(frozen=True)
class FimTokens:
    """The three marks of fill-in-the-middle, as token ids, and those of a repository where the model knows them."""

    prefix: int
    suffix: int
    middle: int
    repository: int | None
    file: int | None


class SpecialToken(NamedTuple):
    """A token that text becomes only where `parse_special` says so: a mark of the model's own, such as `<|im_end|>`."""

    token: int
    text: str
    strips_left: bool  # blanks before it belong to it
    strips_right: bool


class Vocabulary:
    """Text to token ids and back. It lives as long as its model."""

    def __init__(self, pointer: Any) -> None:
        self._library = load_library()
        self.pointer = pointer
        self.n_tokens: int = self._library.llama_vocab_n_tokens(pointer)
        self.adds_bos: bool = self._library.llama_vocab_get_add_bos(pointer)
        self.bos = _token(self._library.llama_vocab_bos(pointer))
        self.eos = _token(self._library.llama_vocab_eos(pointer))
        self.fim = self._fim_tokens()

    def tokenize(self, text: str, *, parse_special: bool = False, add_special: bool = False) -> list[int]:
        """The ids of `text`, in which marks such as `<|fim_middle|>` are plain text unless `parse_special` is set.

        With `add_special` the tokens that the model wants around a text, such as BOS, are added. Lone surrogates, which
        no UTF-8 can hold, become question marks.
        """
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        buffer = (ctypes.c_int32 * size)()
        tokenize = self._library.llama_tokenize
        count = tokenize(self.pointer, data, len(data), buffer, size, add_special, parse_special)
        if count < 0:  # a tokenizer that needs more tokens than bytes
            size = -count
            buffer = (ctypes.c_int32 * size)()
            count = tokenize(self.pointer, data, len(data), buffer, size, add_special, parse_special)
        assert count >= 0, f"llama_tokenize returned {count} for {len(data)} bytes"
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for, maybe a part of a UTF-8 sequence; nothing for a control token."""
        buffer = ctypes.create_string_buffer(64)
        count = self._library.llama_token_to_piece(self.pointer, token, buffer, len(buffer), 0, False)
        if count < 0:
            buffer = ctypes.create_string_buffer(-count)
            count = self._library.llama_token_to_piece(self.pointer, token, buffer, len(buffer), 0, False)
        return buffer.raw[:count]

    def detokenize(self, tokens: list[int]) -> str:
        """The text of `tokens`; a sequence cut at either end shows as U+FFFD."""
        return b"".join(self.piece(token) for token in tokens).decode("utf-8", "replace")

    def is_end(self, token: int) -> bool:
        """Does this token end a text (end of text, of turn, of infill)?"""
        return bool(self._library.llama_vocab_is_eog(self.pointer, token))

    def mark(self, token: int) -> str:
        """How the vocabulary spells a token that stands for no text, such as `<|im_end|>`."""
        spelled: bytes = self._library.llama_vocab_get_text(self.pointer, token)
        return spelled.decode("utf-8", "replace")

    @functools.cached_property
    def special(self) -> tuple[SpecialToken, ...]:
        """The control tokens, those of the longest text first, as llama.cpp looks for them (0.1 s the first time)."""
        library, found = self._library, []
        for token in range(self.n_tokens):
            attributes = library.llama_vocab_get_attr(self.pointer, token)
            text = self.mark(token) if attributes & _SPECIAL else ""
            if text:
                strips = bool(attributes & _ATTRIBUTE_LSTRIP), bool(attributes & _ATTRIBUTE_RSTRIP)
                found.append(SpecialToken(token, text, *strips))
        return tuple(sorted(found, key=lambda special: -len(special.text.encode())))

    @functools.cached_property
    def grammar_tokenizer(self) -> Any:
        """The vocabulary as llguidance wants it (half a second the first time, for 152k tokens)."""
        from llguidance import LLTokenizer

        tokens = [self.piece(token) for token in range(self.n_tokens)]
        for special in self.special:
            tokens[special.token] = b"\xff" + special.text.encode()  # a byte that no text has
        return LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]  # missing in its stub
            tokens=tokens,
            vocab_ptr=self.pointer,
            tokenize_fptr=ctypes.cast(self._library._lib.llama_tokenize, ctypes.c_void_p).value,
            eos_token=[token for token in range(self.n_tokens) if self.is_end(token)],
        )

    @functools.cached_property
    def beginnings(self) -> Beginnings:
        """The vocabulary by the beginnings of its tokens, to go on in the middle of a word."""
        attribute, never = self._library.llama_vocab_get_attr, _SPECIAL | _ATTRIBUTE_UNUSED

        def piece(token: int) -> bytes:
            return b"" if attribute(self.pointer, token) & never else self.piece(token)

        return Beginnings(self.n_tokens, piece)

    def _fim_tokens(self) -> FimTokens | None:
        # llama.cpp takes them from the metadata, else finds them by the texts that it knows (llama-vocab.cpp).
        marks = [
            _token(find(self.pointer))
            for find in (
                self._library.llama_vocab_fim_pre,
                self._library.llama_vocab_fim_suf,
                self._library.llama_vocab_fim_mid,
            )
        ]
        prefix, suffix, middle = marks
        if prefix is None or suffix is None or middle is None:
            return None
        repository = _token(self._library.llama_vocab_fim_rep(self.pointer))
        return FimTokens(prefix, suffix, middle, repository, _token(self._library.llama_vocab_fim_sep(self.pointer)))


class Model:
    """The weights. `close` frees them; contexts must be closed before."""

    def __init__(
        self,
        path: Path,
        placement: Placement = NOT_PLACED,
        on_progress: Callable[[float], None] | None = None,
        *,
        in_place: bool = False,
    ) -> None:
        """Load a GGUF whose header was found good; `ModelUnsupported` or `ModelInvalid` when llama.cpp refuses it.

        `in_place` keeps the weights where the file is mapped; otherwise llama.cpp copies those into memory of its own
        that it can compute with quicker in another order or, with a GPU, from pinned memory.
        """
        self._library = load_library()
        self.path = path
        params = self._library.llama_model_default_params()
        params.n_gpu_layers = placement.n_gpu_layers
        self._overrides = placement.overrides()
        if self._overrides is not None:
            params.tensor_buft_overrides = ctypes.addressof(self._overrides)
        params.use_extra_bufts = not in_place
        params.no_host = in_place

        def progress(share: float, _data: Any) -> bool:
            if on_progress is not None:
                on_progress(share)
            return True

        params.progress_callback = self._library.llama_progress_callback(progress)
        self.pointer = self._library.llama_model_load_from_file(str(path).encode("utf-8", "surrogateescape"), params)
        if not self.pointer:
            raise _load_error(path, last_words())
        self.vocabulary = Vocabulary(self._library.llama_model_get_vocab(self.pointer))
        # Recurrent and hybrid models keep a running state, of which no part can be taken back.
        self.has_cells: bool = not (
            self._library.llama_model_is_recurrent(self.pointer) or self._library.llama_model_is_hybrid(self.pointer)
        )
        self.n_ctx_train: int = self._library.llama_model_n_ctx_train(self.pointer)
        self.n_params: int = self._library.llama_model_n_params(self.pointer)
        self.size_bytes: int = self._library.llama_model_size(self.pointer)
        template = self._library.llama_model_chat_template(self.pointer, None)
        self.chat_template: str | None = template.decode("utf-8", "replace") if template else None
        self._adapter: Any = None

    def adapt(self, path: Path) -> None:
        """Have contexts made from now on compute with a LoRA adapter that was found to fit; it goes with the model."""
        name = str(path).encode("utf-8", "surrogateescape")
        self._adapter = self._library.llama_adapter_lora_init(self.pointer, name)
        if not self._adapter:
            raise ModelInvalid(
                f"{path}: llama.cpp cannot load this adapter for {self.path.name} "
                f"({last_words() or 'no reason given'}); make or get it again, or leave out --lora"
            )

    def set_adapter(self, context: Any) -> None:
        """Have a context of this model compute with the adapter, if there is one."""
        if self._adapter:
            adapters = (self._library.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            if self._library.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0)):
                raise ModelInvalid(f"llama.cpp cannot use the LoRA adapter with {self.path.name}; leave out --lora")

    def metadata(self, key: str) -> str | None:
        """A scalar of the GGUF's metadata as text, or None."""
        buffer = ctypes.create_string_buffer(1024)
        count = self._library.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if count >= 0 else None

    def close(self) -> None:
        """Free the weights."""
        if self.pointer:
            self._library.llama_model_free(self.pointer)
            self.pointer = None


def _token(token: int) -> int | None:
    return token if token >= 0 else None  # LLAMA_TOKEN_NULL is -1


def _load_error(path: Path, reason: str) -> ModelInvalid | ModelUnsupported:
    if "unknown model architecture" in reason:
        architecture = reason.rsplit("architecture:", 1)[-1].strip().strip("'\"")
        return ModelUnsupported(
            f"{path}: this llama.cpp does not know the architecture {architecture}; choose another model"
        )
    return ModelInvalid(
        f"{path}: llama.cpp cannot load it ({reason or 'no reason given'}); pull the model again or choose another"
    )
