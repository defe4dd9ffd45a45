"""Grammars: the same as llama.cpp's where that is safe, and a plain refusal where that would end the process."""

from __future__ import annotations

import ctypes
import functools
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsassist_runtime.api import Sampling
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.grammar import Grammar, compile_grammar
from dsassist_runtime.llama.model import Model, Vocabulary

GRAMMARS = {
    "words": 'root ::= ("yes" | "no") "."',
    "a greedy lexer would eat the end": 'root ::= [a-z]+ "x"',
    "keyword or name": 'root ::= "if" | name ";"\nname ::= [a-z] [a-z0-9]*',
    "json": (
        "root ::= value\nvalue ::= object | list | string | number ws\n"
        'object ::= "{" ws (pair ("," ws pair)*)? "}" ws\n'
        'pair ::= string ":" ws value\nlist ::= "[" ws (value ("," ws value)*)? "]" ws\n'
        'string ::= "\\"" ([^"\\\\\\x00-\\x1f] | "\\\\" ["\\\\/bfnrt])* "\\"" ws\n'
        'number ::= "-"? [0-9]{1,15} ("." [0-9]+)?\nws ::= [ \\t\\n]{0,4}'
    ),
    "escapes": 'root ::= "\\x41\\u00e9\\U0001F600\\t\\n\\\\\\"" [\\x41-\\x43\\u00e9\\]\\[^-]',
    "dash and inverse": "root ::= [^a-c-]+ [-+] [a-]?",
    "any character": "root ::= . . .{2}",
    "comments and lines": '# a list\nroot ::= ( # inside\n  item\n  | "-"\n)+\r\nitem ::= "a" | # and\n  "b"\n\n',
    "empty parts": 'root ::= ("" | "a") b? ()\nb ::= | "b"',
    "repeated literals": 'root ::= "ab"{2,3} "c"{ 2 } "d"{1,}',
    "the later rule holds": 'root ::= a\na ::= "x"\na ::= "y"',
    "names": 'root ::= A-b a-B aB\nA-b ::= "1"\na-B ::= "2"\naB ::= "3"',
}


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Vocabulary]:
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(Model(BUILTIN_PATH)) as model:
        yield model.vocabulary


def compiled(vocabulary: Vocabulary, grammar: str = "", schema: Any = None) -> Grammar:
    found = compile_grammar(Sampling(grammar=grammar, json_schema=schema), vocabulary)
    assert found is not None
    return found


def matches(vocabulary: Vocabulary, grammar: Grammar, text: str) -> bool:
    """Can `text` be written in that grammar, and be its end?"""
    for token in vocabulary.tokenize(text):
        if not grammar.allows(token):
            return False
        grammar.accept(token)
    assert vocabulary.eos is not None
    return grammar.allows(vocabulary.eos)


class LlamaGrammar:
    """llama.cpp's own, which is only safe when fed what it allows."""

    def __init__(self, vocabulary: Vocabulary, text: str) -> None:
        self._library, self._n_tokens = vocabulary._library, vocabulary.n_tokens
        self._sampler = self._library.llama_sampler_init_grammar(vocabulary.pointer, text.encode(), b"root")
        assert self._sampler, text

    def allowed(self) -> list[int]:
        data = np.ones(self._n_tokens, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        data["id"] = np.arange(self._n_tokens)
        pointer = data.ctypes.data_as(self._library.llama_token_data_p)
        array = self._library.llama_token_data_array(pointer, self._n_tokens, -1, False)
        self._library.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return [int(token) for token in np.flatnonzero(data["logit"] > 0)]

    def accept(self, token: int) -> None:
        self._library.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        self._library.llama_sampler_free(self._sampler)


def assert_same(vocabulary: Vocabulary, ours: list[int], theirs: list[int]) -> None:
    """But for what llama.cpp should not allow (marks of the model as text, bytes that no UTF-8 has), for NUL, which it
    does not know, and for a text that is forced: we allow one way to cut it into tokens, llama.cpp each."""
    pieces = pieces_of(vocabulary)
    marks = {special.token for special in vocabulary.special if not vocabulary.is_end(special.token)}
    more = {token for token in theirs if token not in marks and max(pieces[token], default=0) < 0xF5}
    assert {token for token in ours if pieces[token] != b"\0"} <= more
    if len(ours) == 1:
        forced = pieces[ours[0]]
        assert all(forced.startswith(pieces[token]) or pieces[token].startswith(forced) for token in more)
    else:
        assert more <= set(ours)


@functools.cache
def pieces_of(vocabulary: Vocabulary) -> list[bytes]:
    return [vocabulary.piece(token) for token in range(vocabulary.n_tokens)]


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_grammar_allows_what_llama_cpp_allows(vocabulary: Vocabulary, name: str) -> None:
    """Random walks, all tokens compared at each step."""
    draw = random.Random(name)
    for _ in range(4):
        ours = compiled(vocabulary, GRAMMARS[name])
        with closing(LlamaGrammar(vocabulary, GRAMMARS[name])) as theirs:
            for _ in range(12):
                allowed = ours.allowed().tolist()
                assert_same(vocabulary, allowed, theirs.allowed())
                going_on = [token for token in allowed if not vocabulary.is_end(token)]
                if not going_on:
                    break
                token = draw.choice(going_on)
                assert ours.allows(token)
                ours.accept(token)
                theirs.accept(token)


def test_a_finished_grammar_allows_only_end_tokens(vocabulary: Vocabulary) -> None:
    grammar = compiled(vocabulary, 'root ::= "a"')
    grammar.accept(vocabulary.tokenize("a")[0])
    assert grammar.allowed().tolist() == [token for token in range(vocabulary.n_tokens) if vocabulary.is_end(token)]


def test_a_clone_goes_its_own_way(vocabulary: Vocabulary) -> None:
    (a,), (b,) = vocabulary.tokenize("a"), vocabulary.tokenize("b")
    first = compiled(vocabulary, 'root ::= "a" "b" | "b" "a"')
    second = first.clone()
    first.accept(a)
    second.accept(b)
    assert first.allows(b)
    assert not first.allows(a)
    assert second.allows(a)


def test_a_mark_of_the_model_can_be_demanded(vocabulary: Vocabulary) -> None:
    (middle,) = vocabulary.tokenize("<|fim_middle|>", parse_special=True)
    (a,) = vocabulary.tokenize("a")
    for grammar in (f'root ::= "a" <[{middle}]> "a"', 'root ::= "a" <|fim_middle|> "a"'):
        found = compiled(vocabulary, grammar)
        found.accept(a)
        assert found.allowed().tolist() == [middle]
    other = compiled(vocabulary, f"root ::= !<[{a}]>")
    assert not other.allows(a)
    assert other.allows(middle)


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ('start ::= "a"', "it has no rule `root`"),
        ('root ::= "a', 'line 1: `"` belongs to nothing'),
        ('root ::= "a"\n\nroot2 ::= item', "line 3: the rule `item` is used but not defined"),
        ('root ::= ("a"', "line 1: a group is not closed"),
        ('root ::= "a")', "line 1: `)` closes nothing"),
        ("root ::= *", "line 1: `*` has nothing to repeat"),
        ('root ::= "a"{3,2}', "line 1: `{3,2}` has its numbers the wrong way round"),
        ("root = x", "line 1: `=` belongs to nothing"),
        ("root x", "line 1: `::=` is missing behind `root`"),
        ('root ::= "a" b ::= "c"', "line 1: a rule begins on a line of its own"),
        ('root ::= "\\q"', "line 1: `\\q` is no escape that GBNF knows"),
        ('root ::= "\\ud800"', "line 1: `\\ud800` is no character"),
        ("root ::= [z-a]", "line 1: a range of characters runs backwards"),
        ("root ::= []", "line 1: `[]` has no characters"),
        ("root ::= <no such mark>", "line 1: `<no such mark>` is no token of this model"),
        ('| "a"', "line 1: a rule begins with its name"),
        ("root ::= " + "(" * 31 + '"a"' + ")" * 31, "line 1: groups stand in groups more than 30 deep"),
        ("root ::= " + '"a" ' * 20_000, "it has 80009 characters, 50000 are the most"),
        ('root ::= root "a"', "there is no text that it describes"),
    ],
)
def test_a_bad_grammar_is_refused_with_its_place(vocabulary: Vocabulary, grammar: str, reason: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        compiled(vocabulary, grammar)
    assert str(refused.value) == f"invalid grammar: {reason}"


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ('root ::= root "a" | "b"', "baaa"),  # left recursion: refused by llama.cpp
        ('root ::= a root "z" | "x"\na ::= b b\nb ::= "y" | ""', "yyyxzz"),  # and this one, which it does not notice
        ('root ::= "a"{1,100000}', "a" * 500),
        ('root ::= ((("a"?)*)*)* ("b" | "")*', "aab"),
        ('root ::= s\ns ::= "a" s "b" | "a" s "c" | "d"', "a" * 60 + "d" + "bc" * 30),  # 2^60 stacks in llama.cpp
        ("root ::= r0\n" + "\n".join(f'r{i} ::= r{i + 1} | r{i + 1} "x"' for i in range(60)) + '\nr60 ::= "z"', "zxx"),
        ("root ::= r0\n" + "\n".join(f"r{i} ::= r{i + 1}" for i in range(2500)) + '\nr2500 ::= "z"', "z"),
        ("root ::= " + '"a" ' * 12_000, "a" * 12_000),
    ],
    ids=range(8),
)
def test_a_grammar_that_ends_or_stalls_llama_cpp_is_followed(vocabulary: Vocabulary, grammar: str, text: str) -> None:
    assert matches(vocabulary, compiled(vocabulary, grammar), text)
    assert not matches(vocabulary, compiled(vocabulary, grammar), text + "?")


def test_a_grammar_that_grows_too_complex_is_refused_on_the_way(vocabulary: Vocabulary) -> None:
    grammar = compiled(vocabulary, 'root ::= ((("a"{0,1000}){0,1000}){0,1000}){0,1000}')
    with pytest.raises(RequestRefused, match=r"the grammar cannot be followed: .* 2220 items; max is 2000"):
        matches(vocabulary, grammar, "a" * 500)
    with pytest.raises(RequestRefused, match="the grammar cannot be followed"):
        grammar.allowed()


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 3}, "tags": {"type": "array"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            SCHEMA,
            ['{"name": "x", "age": 3}', '{\n  "name": "é\\n",\n  "age": 10,\n  "tags": []\n}'],
            ['{"age": 3}', "{}"],
        ),
        (SCHEMA, [], ['{"name": "x", "age": 2}', '{"name": "x", "age": 3, "more": 1}', "{" + " " * 30]),
        ({"type": "object"}, ['{"a": [1, {"b": null}]}', "{}"], ["[1]", "1"]),
        ({}, ["[1]", "true", '"x"'], ["x"]),
        ({"enum": ["red", "green"]}, ['"red"'], ['"blue"']),
        ({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}, ["12", "false"], ['"x"']),
        ({"type": "array", "items": {"$ref": "#"}}, ["[[], [[]]]"], ["[1]"]),
    ],
)
def test_a_schema_allows_what_it_describes(
    vocabulary: Vocabulary, schema: Any, good: list[str], bad: list[str]
) -> None:
    for text in good:
        assert matches(vocabulary, compiled(vocabulary, schema=schema), text), text
    for text in bad:
        assert not matches(vocabulary, compiled(vocabulary, schema=schema), text), text


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "foo"}, "Invalid type: foo"),
        ({"not": {}}, 'Unimplemented keys: ["not"]'),
        ([], "Expecting object schema"),
        ({"$ref": "https://example.com/x"}, "Resource 'https://example.com/x' is not present"),
        ({"type": "string", "pattern": "(?=a)"}, "look-around"),
        ({"allOf": [{"$ref": "#"}]}, "there is no text that it describes"),
        (False, ""),
        ({"enum": [str(i) for i in range(40_000)]}, "it has 348900 characters, 250000 are the most"),
    ],
)
def test_a_bad_schema_is_refused_with_the_reason(vocabulary: Vocabulary, schema: Any, reason: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        compiled(vocabulary, schema=schema)
    assert str(refused.value).startswith("invalid JSON schema: ")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("n", [1000, 3000])
def test_a_long_chain_of_references_does_not_end_the_process(vocabulary: Vocabulary, n: int) -> None:
    """The compiler recurses along them: a thousand took more stack than a thread has."""
    links = {f"a{i}": {"required": ["x"], "properties": {"x": {"$ref": f"#/$defs/a{i + 1}"}}} for i in range(n)}
    schema = {"$ref": "#/$defs/a0", "$defs": links | {f"a{n}": {"type": "string"}}}
    grammar = compiled(vocabulary, schema=schema)
    assert matches(vocabulary, grammar.clone(), '{"x":' * 20 + "1") is False
    assert vocabulary.tokenize("{")[0] in grammar.allowed()


def test_a_schema_nested_too_deep_is_refused(vocabulary: Vocabulary) -> None:
    schema: Any = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(RequestRefused, match="invalid JSON schema: "):
        compiled(vocabulary, schema=schema)


def test_a_grammar_and_a_schema_exclude_each_other(vocabulary: Vocabulary) -> None:
    with pytest.raises(RequestRefused, match="grammar and json_schema exclude each other"):
        compiled(vocabulary, 'root ::= "a"', {})


@pytest.mark.real_model
def test_the_large_vocabulary_of_a_real_model_is_followed_too(real_model: Path) -> None:
    with closing(Model(real_model)) as model:
        grammar = compiled(model.vocabulary, GRAMMARS["json"])
        with closing(LlamaGrammar(model.vocabulary, GRAMMARS["json"])) as theirs:
            for token in model.vocabulary.tokenize('{"naïve 🙂": [1'):
                assert_same(model.vocabulary, grammar.allowed().tolist(), theirs.allowed())
                grammar.accept(token)
                theirs.accept(token)
