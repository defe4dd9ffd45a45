"""The names of other files, of the repository and of what is edited in a prompt."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist_runtime.api import ContextFile, InfillRequest
from dsassist_runtime.engine.fim import comment, infill_prompt
from dsassist_runtime.llama.model import Model

FILES = (ContextFile("src/shapes.ts", "export const PI = 3;"), ContextFile("src/sums.py", "def add(a, b): ..."))
REQUEST = InfillRequest("const x = ", ";\n", extra=FILES, begun="P", repository="geometry", path="src/areas.ts")


def spelled(model: Path, request: InfillRequest, n_ctx: int = 512) -> str:
    """The prompt with its marks as the vocabulary spells them."""
    with closing(Model(model)) as loaded:
        vocabulary = loaded.vocabulary
        assert vocabulary.fim is not None
        prompt = infill_prompt(vocabulary, vocabulary.fim, "psm", n_ctx, request)
        special = {each.token: each.text for each in vocabulary.special}
        return "".join(special.get(token) or vocabulary.detokenize([token]) for token in prompt.tokens)


@pytest.mark.real_model
def test_a_repository_is_written_as_the_model_was_trained_on_it(real_model: Path) -> None:
    assert spelled(real_model, REQUEST) == (
        "<|repo_name|>geometry\n"
        "<|file_sep|>src/shapes.ts\nexport const PI = 3;\n"
        "<|file_sep|>src/sums.py\ndef add(a, b): ...\n"
        "<|file_sep|>src/areas.ts\n"
        "<|fim_prefix|>const x = <|fim_suffix|>;\n<|fim_middle|>"
    )


@pytest.mark.real_model
def test_names_that_are_not_given_have_their_old_form(real_model: Path) -> None:
    text = spelled(real_model, replace(REQUEST, repository="", path=""))
    assert text.startswith("<|repo_name|>repository\n<|file_sep|>src/shapes.ts\n")
    assert "<|file_sep|>file\n<|fim_prefix|>" in text


def test_a_model_without_such_marks_gets_comments_of_the_language(builtin_model: Path, tmp_path: Path) -> None:
    found = builtin_model.read_bytes()
    for mark, other in (
        (b"<|repo_name|>", b"<|unused_0|>>"),
        (b"<|file_sep|>", b"<|reserved|>"),
        (b"fim_rep_token_id", b"not_rep_token_id"),
        (b"fim_sep_token_id", b"not_sep_token_id"),
    ):
        assert mark in found
        assert len(mark) == len(other)
        found = found.replace(mark, other)
    without = tmp_path / "without.gguf"
    without.write_bytes(found)
    text = spelled(without, REQUEST)
    assert "// src/shapes.ts\nexport const PI = 3;\n# src/sums.py\ndef add(a, b): ...\n\n// src/areas.ts\n" in text


def test_names_alone_change_no_prompt(builtin_model: Path) -> None:
    bare = replace(REQUEST, extra=(), repository="", path="")
    assert spelled(builtin_model, replace(REQUEST, extra=())) == spelled(builtin_model, bare)


@pytest.mark.parametrize(
    ("path", "text"),
    [("a/b.py", "# a/b.py"), ("A.JAVA", "// A.JAVA"), ("x.lua", "-- x.lua"), ("Makefile", "# Makefile"), ("", "# ")],
)
def test_a_file_is_named_as_its_language_writes_comments(path: str, text: str) -> None:
    assert comment(path) == text
