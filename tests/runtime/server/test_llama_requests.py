"""llama.cpp's bodies, as llama.vim and llama.vscode send them, become the engine's requests."""

from __future__ import annotations

from typing import Any

import pytest

from dsassist_runtime.api import CompletionRequest, ContextFile, InfillRequest, Sampling
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.server.generation_fields import ALL_THE_ROOM
from dsassist_runtime.server.llama_requests import completion_job, detokenize_request, infill_job, tokenize_request

# autoload/llama.vim, llama#fim
VIM: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "import os\n",
    "input_suffix": "\nprint(x)\n",
    "input_extra": [{"filename": "b.py", "text": "y = 1\n", "time": [1, 2]}],
    "prompt": "x = ",
    "n_predict": 128,
    "stop": ["\n\n"],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.90,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": ["content", "timings/prompt_n"],
}


def test_llama_vims_completion_arrives_whole() -> None:
    job = infill_job(VIM)
    assert job.requests == (
        InfillRequest(
            "import os\n",
            "\nprint(x)\n",
            extra=(ContextFile("b.py", "y = 1\n"),),
            prompt="x = ",
            max_tokens=128,
            stop=("\n\n",),
            min_indent=4,
            predict_ms=1000.0,
            sampling=Sampling(temperature=0.0, top_k=40, top_p=0.9, min_p=0.0),
        ),
    )
    assert job.requests[0].priority == "interactive"
    assert job.response_fields == ("content", "timings/prompt_n")
    assert not job.is_list


def test_llama_vims_warming_of_the_cache_is_nobodys_to_wait_for() -> None:
    body = {"input_prefix": "", "input_suffix": "", "n_predict": 0, "samplers": [], "response_fields": [""]}
    job = infill_job(body)
    assert job.requests[0].max_tokens == 0
    assert job.requests[0].priority == "idle"
    assert job.response_fields == ("",)


def test_llama_vscodes_several_completions_differ() -> None:
    job = infill_job({**VIM, "n_cmpl": 3})
    assert job.requests[0].n == 3
    assert job.requests[0].sampling.temperature > 0
    assert job.is_list


@pytest.mark.parametrize(
    ("samplers", "sampling"),
    [
        (["min_p", "temperature"], Sampling(temperature=0.1, top_k=0, top_p=1.0, min_p=0.2)),
        (["temperature", "nonsense", "dry"], Sampling(temperature=0.1, top_k=0, top_p=1.0, min_p=0.0)),
        ("kt", Sampling(temperature=0.1, top_k=5, top_p=1.0, min_p=0.0)),
        ([], Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)),
    ],
)
def test_a_sampler_that_is_not_named_is_switched_off(samplers: Any, sampling: Sampling) -> None:
    body = {"prompt": "a", "temperature": 0.1, "top_k": 5, "top_p": 0.5, "min_p": 0.2, "samplers": samplers}
    assert completion_job(body).requests[0].sampling == sampling


def test_a_completion_has_no_limit_unless_it_names_one() -> None:
    assert completion_job({"prompt": "a"}).requests == (CompletionRequest(prompt="a", max_tokens=ALL_THE_ROOM),)
    assert completion_job({"prompt": "a", "n_predict": -1}).requests[0].max_tokens == ALL_THE_ROOM
    assert infill_job({}).requests[0].max_tokens < ALL_THE_ROOM, "an infill's room is taken from its prefix"


def test_several_prompts_are_answered_by_a_list() -> None:
    job = completion_job({"prompt": ["a", [1, 2]], "n_predict": 3})
    assert job.requests == (CompletionRequest(prompt="a", max_tokens=3), CompletionRequest(tokens=(1, 2), max_tokens=3))
    assert job.is_list


def test_more_prompts_than_may_come_at_once_are_refused() -> None:
    assert len(completion_job({"prompt": ["a"] * 64}).requests) == 64
    with pytest.raises(RequestRefused, match="prompt has 65 prompts; at most 64 may come in one request"):
        completion_job({"prompt": [{}] * 65})


@pytest.mark.parametrize("key", ["9" * 5000, "9" * 15])
def test_a_bias_for_a_token_number_that_is_none_is_refused_with_its_field(key: str) -> None:
    with pytest.raises(RequestRefused, match="logit_bias must be a list of token numbers, and has "):
        completion_job({"prompt": "a", "logit_bias": {key: 1}})


def test_tokenizing_takes_llama_cpps_defaults() -> None:
    assert tokenize_request({"content": "a"}) == {"content": "a", "add_special": False, "parse_special": True}
    assert detokenize_request({"tokens": [1, 2]}) == {"tokens": [1, 2]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"input_prefix": 3}, "input_prefix must be a text, not 3"),
        ({"input_extra": {}}, "input_extra must be a list, not {}"),
        ({"input_extra": ["a"]}, "input_extra[0] must be an object"),
        ({"input_extra": [{"filename": "a"}]}, "input_extra[0].text is missing"),
        ({"n_predict": "all"}, 'n_predict must be a whole number, not "all"'),
        ({"n_indent": -1}, "n_indent is -1; it must be at least 0"),
        ({"samplers": [1]}, "samplers[0] must be a text, not 1"),
        ({"id_slot": "x"}, 'id_slot must be a whole number, not "x"'),
        ({"t_max_predict_ms": "x"}, 't_max_predict_ms must be a number, not "x"'),
        ({"n_cmpl": 99}, "n_cmpl is 99; it must be between 1 and 16"),
        ({"response_fields": 1}, "response_fields must be a list, not 1"),
    ],
)
def test_a_bad_infill_is_refused_in_one_sentence_that_names_the_field(more: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        infill_job({**VIM, **more})
    assert str(caught.value).startswith(message)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(RequestRefused, match="prompt is missing"):
        completion_job({})
    with pytest.raises(RequestRefused, match="content is missing"):
        tokenize_request({})
    with pytest.raises(RequestRefused, match="tokens is missing"):
        detokenize_request({})
    with pytest.raises(RequestRefused, match="with_pieces is not offered here"):
        tokenize_request({"content": "a", "with_pieces": True})
