"""What a text may be: a GBNF grammar or a JSON schema, and which tokens it allows next.

llguidance does the work. llama.cpp's own grammars end the process when they are fed a token that they do not allow,
grow without bound on an ambiguous grammar, and decode the whole vocabulary at each refusal.
"""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from dsassist_runtime.api import Sampling
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.gbnf import lark_from_gbnf
from dsassist_runtime.llama.model import Vocabulary

__all__ = ["Grammar", "compile_grammar"]

_LONGEST_SCHEMA = 250_000  # characters
# The compiler recurses along `$ref`: a chain of a thousand needs more than the 8 MiB that a thread has, and would end
# the process. Address space only; what the schema does not need is never touched.
_STACK_BYTES = 256 << 20
# As llama.cpp's converter: a small model that may write blanks at will writes nothing else.
_JSON_BLANKS = r" ?|\n{1,2}[ \t]{0,20}"


class Grammar:
    """Where a text stands in its grammar."""

    def __init__(self, matcher: Any, n_tokens: int) -> None:
        self._matcher = matcher
        self._n_tokens = n_tokens

    def allows(self, token: int) -> bool:
        """May the text go on with `token` (or end, if it is an end token)?"""
        if self._matcher.is_stopped():  # only the end is left, which `validate_tokens` does not count
            return bool((self.allowed() == token).any())
        return bool(self._matcher.validate_tokens([token]) == 1)

    def allowed(self) -> npt.NDArray[np.intp]:
        """The tokens that the text may go on with, in ascending order; end tokens only, once it is finished.

        Where the grammar leaves one text only, that is the one token that the tokenizer would make of it: behind `y`
        of `"yes"` not `e`, though `allows` has nothing against it. `RequestRefused` when it became too complex.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error():
            raise RequestRefused(f"the grammar cannot be followed: {_reason(self._matcher.get_error())}")
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")[: self._n_tokens])

    def accept(self, token: int) -> None:
        """Go on with a token that `allows` or `allowed` found."""
        if not self._matcher.consume_token(token):
            raise RequestRefused(f"the grammar cannot be followed: {_reason(self._matcher.get_error())}")

    def clone(self) -> Grammar:
        """Another text at the same place."""
        return Grammar(self._matcher.deep_copy(), self._n_tokens)


def compile_grammar(sampling: Sampling, vocabulary: Vocabulary) -> Grammar | None:
    """The grammar or JSON schema of a request at its start; None without one, `RequestRefused` when it is bad."""
    if sampling.grammar and sampling.json_schema is not None:
        raise RequestRefused("grammar and json_schema exclude each other; give one of them")
    if not sampling.grammar and sampling.json_schema is None:
        return None
    with ThreadPoolExecutor(1) as pool:
        size = threading.stack_size(_STACK_BYTES)
        try:
            matcher = pool.submit(_matcher, sampling, vocabulary)
        finally:
            threading.stack_size(size)
        return Grammar(matcher.result(), vocabulary.n_tokens)


def _matcher(sampling: Sampling, vocabulary: Vocabulary) -> Any:
    from llguidance import LLMatcher

    kind = "grammar" if sampling.grammar else "JSON schema"
    try:
        source = _gbnf(sampling.grammar, vocabulary) if sampling.grammar else _schema(sampling.json_schema)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"invalid {kind}: {error}") from error
    matcher = LLMatcher(vocabulary.grammar_tokenizer, source, log_level=0)
    if matcher.is_error():
        raise RequestRefused(f"invalid {kind}: {_reason(matcher.get_error())}")
    matcher.compute_bitmask()
    if matcher.is_error() or (matcher.is_stopped() and not matcher.is_accepting()):
        raise RequestRefused(f"invalid {kind}: there is no text that it describes")
    return matcher


def _gbnf(text: str, vocabulary: Vocabulary) -> str:
    from llguidance import LLMatcher

    def token_of(mark: str) -> int | None:
        tokens = vocabulary.tokenize(mark, parse_special=True)
        return tokens[0] if len(tokens) == 1 else None

    return LLMatcher.grammar_from_lark(lark_from_gbnf(text, token_of))


def _schema(schema: Any) -> str:
    from llguidance import LLMatcher

    text = json.dumps(schema)
    if len(text) > _LONGEST_SCHEMA:
        raise ValueError(f"it has {len(text)} characters, {_LONGEST_SCHEMA} are the most")
    # `oneOf` as `anyOf`: the types of a discriminated union, its common use, exclude each other anyway.
    return LLMatcher.grammar_from_json_schema(
        text, defaults={"whitespace_pattern": _JSON_BLANKS, "coerce_one_of": True}
    )


def _reason(error: str) -> str:
    """The library's message in a line, without the dump of its state or its call stack."""
    return " ".join(re.split("<state>|<backtrace>", error, maxsplit=1)[0].split())[:300]
