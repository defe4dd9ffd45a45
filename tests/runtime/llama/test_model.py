from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from dsassist_runtime.errors import ModelInvalid
from dsassist_runtime.llama.model import Model


def test_loading_reports_its_progress_to_the_end(builtin_model: Path) -> None:
    shares: list[float] = []
    with closing(Model(builtin_model, on_progress=shares.append)) as model:
        assert model.metadata("general.architecture") == "deepseek2"
        assert model.metadata("no.such.key") is None
        assert model.chat_template is None
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_file_that_llama_cpp_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF")
    with pytest.raises(ModelInvalid, match=r"bad\.gguf: llama\.cpp cannot load it \(.+\); pull the model again"):
        Model(bad)


def test_tokens_give_the_text_back(builtin_model: Path) -> None:
    with closing(Model(builtin_model)) as model:
        vocabulary = model.vocabulary
        for text in ("def f(a):\n\treturn a  # é €\r\n", "", "🙂" * 3, "    " * 20):
            assert vocabulary.detokenize(vocabulary.tokenize(text)) == text
        assert vocabulary.detokenize(vocabulary.tokenize("a\ud800b")) == "a?b", "no UTF-8 holds a lone surrogate"


@pytest.mark.real_model
def test_marks_and_template_of_a_real_model_are_found(real_model: Path) -> None:
    """Its metadata do not declare the fill-in-the-middle ids: they are found by their texts."""
    with closing(Model(real_model)) as model:
        fim = model.vocabulary.fim
        assert fim is not None
        assert (fim.prefix, fim.suffix, fim.middle) == (151659, 151661, 151660)
        assert not model.vocabulary.adds_bos
        assert model.vocabulary.is_end(151645)
        assert model.chat_template is not None
        assert "<|im_start|>" in model.chat_template


def test_marks_become_tokens_only_where_they_are_asked_for(builtin_model: Path) -> None:
    with closing(Model(builtin_model)) as model:
        vocabulary = model.vocabulary
        marks = [special.text for special in vocabulary.special]
        assert "<|fim_middle|>" in marks
        assert marks == sorted(marks, key=len, reverse=True)
        for special in vocabulary.special:
            assert vocabulary.tokenize(special.text, parse_special=True) == [special.token]
            assert special.token not in vocabulary.tokenize(special.text)
            assert vocabulary.mark(special.token) == special.text
            assert vocabulary.piece(special.token) == b""
        assert vocabulary.tokenize("a", add_special=True) == [vocabulary.bos, *vocabulary.tokenize("a")]
        assert vocabulary.eos is not None
        assert vocabulary.is_end(vocabulary.eos)


def test_size_and_parameters_are_those_of_the_file(builtin_model: Path) -> None:
    with closing(Model(builtin_model)) as model:
        assert 0.8 * builtin_model.stat().st_size < model.size_bytes < builtin_model.stat().st_size
        assert model.n_params > model.size_bytes / 4
