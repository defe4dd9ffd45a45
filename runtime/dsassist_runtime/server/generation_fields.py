"""The fields that all requests for text share, in OpenAI's and llama.cpp's spelling, as `api.Generation` has them.

What a client leaves out takes dsassist's own defaults (`api.Sampling`), not OpenAI's.
"""

from __future__ import annotations

from typing import Any

from dsassist_runtime.api import PRIORITIES, Priority, Sampling, TokenBias
from dsassist_runtime.server.fields import Fields

__all__ = ["ALL_THE_ROOM", "PROMPT_LIMIT", "generation_arguments", "max_tokens", "priority", "sampling"]

ALL_THE_ROOM = 2**31 - 1  # no limit was given: the engine ends a text where its context does
PROMPT_LIMIT = 64  # in one request

_LARGEST_SEED = 2**32 - 1
_RANDOM_SEEDS = (-1, _LARGEST_SEED)  # llama.cpp's ways to say "any"
_LONGEST_TOKEN_NUMBER = 20  # characters; Python refuses to read thousands
_DEFAULT = Sampling()


def generation_arguments(fields: Fields, default_priority: Priority) -> dict[str, Any]:
    """Keyword arguments of `api.Generation` but for `max_tokens`, `n` and `logprobs`, which differ between the APIs."""
    return {
        "sampling": sampling(fields),
        "stop": tuple(text for text in fields.texts("stop") if text),
        "priority": priority(fields, default_priority),
        "document": fields.text("document"),
        "deadline_ms": fields.number("deadline_ms", 0.0, low=0.0),
        "predict_ms": fields.number("t_max_predict_ms", 0.0, low=-1.0) if fields.get("t_max_predict_ms") != -1 else 0.0,
        "min_indent": fields.integer("n_indent", 0, low=0),
        "ignore_eos": fields.boolean("ignore_eos"),
        "cache_prompt": fields.boolean("cache_prompt", default=True),
        "speculate": fields.boolean("speculate", default=True),
    }


def priority(fields: Fields, default: Priority) -> Priority:
    """dsassist's own field `priority`."""
    word = fields.one_of("priority", default, PRIORITIES)
    return next(known for known in PRIORITIES if known == word)


def max_tokens(fields: Fields, *names: str) -> int:
    """The first of the fields `names` that is there; -1 and none at all mean `ALL_THE_ROOM`."""
    for name in names:
        if fields.get(name) is not None:
            found = fields.integer(name, -1, low=-1)
            return ALL_THE_ROOM if found == -1 else found
    return ALL_THE_ROOM


def sampling(fields: Fields) -> Sampling:
    """How tokens are chosen; the fields mean the same in both APIs."""
    seed = fields.integer("seed", -1, low=-(2**63), high=2**63 - 1)
    return Sampling(
        temperature=fields.number("temperature", _DEFAULT.temperature, low=0.0, high=100.0),
        top_k=fields.integer("top_k", _DEFAULT.top_k, low=-1),
        top_p=fields.number("top_p", _DEFAULT.top_p, low=0.0, high=1.0),
        min_p=fields.number("min_p", _DEFAULT.min_p, low=0.0, high=1.0),
        seed=None if seed in _RANDOM_SEEDS else seed % _LARGEST_SEED,
        repeat_penalty=fields.number("repeat_penalty", _DEFAULT.repeat_penalty, low=0.01, high=100.0),
        repeat_last_n=fields.integer("repeat_last_n", _DEFAULT.repeat_last_n, low=-1),
        frequency_penalty=fields.number("frequency_penalty", 0.0, low=-100.0, high=100.0),
        presence_penalty=fields.number("presence_penalty", 0.0, low=-100.0, high=100.0),
        logit_bias=_logit_bias(fields),
        **_grammar(fields),
    )


def _logit_bias(fields: Fields) -> tuple[TokenBias, ...]:
    """OpenAI's object {"TOKEN": bias}, or llama.cpp's list of [token, bias], where false forbids the token."""
    found = fields.get("logit_bias")
    if isinstance(found, dict):
        pairs = [[_token_number(key), bias] for key, bias in found.items()]
    else:
        pairs = fields.sequence("logit_bias")
    biases = []
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise fields.refuse("logit_bias", 'must be an object {"TOKEN": bias} or a list of [token, bias]')
        (token,), bias = fields.checked_tokens("logit_bias", pair[:1]), pair[1]
        if bias is False:
            biases.append(TokenBias(token, None))
        else:
            biases.append(TokenBias(token, Fields({"logit_bias": bias}).number("logit_bias", 0.0)))
    return tuple(biases)


def _token_number(key: str) -> int | str:
    return int(key) if key.isdecimal() and len(key) <= _LONGEST_TOKEN_NUMBER else key


def _grammar(fields: Fields) -> dict[str, Any]:
    """GBNF (`grammar`), a JSON schema (`json_schema`), or OpenAI's `response_format`; one of them."""
    found: dict[str, Any] = {}
    if grammar := fields.text("grammar"):
        found["grammar"] = grammar
    schema = fields.get("json_schema")
    if schema is None:
        schema = _response_format(fields)
    if schema is not None:
        if not isinstance(schema, dict):
            raise fields.refuse("json_schema", "must be an object")
        if found:
            raise fields.refuse("grammar", "and a JSON schema exclude each other; send one of them")
        found["json_schema"] = schema
    return found


def _response_format(fields: Fields) -> Any:
    wanted = fields.inner("response_format")
    kind = wanted.one_of("type", "text", ("text", "json_object", "json_schema"))
    if kind == "text":
        return None
    if kind == "json_schema":
        schema = wanted.inner("json_schema").get("schema")
        if schema is None:
            raise wanted.refuse("json_schema", 'lacks the field "schema"')
        return schema
    return wanted.get("schema") or {"type": "object"}  # llama.cpp's server takes a schema here, too
