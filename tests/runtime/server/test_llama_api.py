"""llama.cpp's API: the request sequences of llama.vim and llama.vscode, against the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from running_server import Served, serving, wait_for

pytestmark = pytest.mark.slow  # whole servers

# autoload/llama.vim: s:ring_update sends the first, llama#fim the second.
EXTRA = [{"filename": "shapes.py", "text": "def area(width, height):\n    return width * height\n", "time": [1, 2]}]
WARM: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": EXTRA,
    "prompt": "",
    "n_predict": 0,
    "temperature": 0.0,
    "samplers": [],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1,
    "response_fields": [""],
}
FIM: dict[str, Any] = {
    "id_slot": 0,
    "input_prefix": "from shapes import area\n\n\ndef volume(width, height, depth):\n",
    "input_suffix": "\n\n\nprint(volume(1, 2, 3))\n",
    "input_extra": EXTRA,
    "prompt": "    return area(",
    "n_predict": 24,
    "stop": [],
    "n_indent": 0,
    "top_k": 40,
    "top_p": 0.90,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 5000,
    "response_fields": [
        "content",
        "timings/prompt_n",
        "timings/prompt_ms",
        "timings/prompt_per_token_ms",
        "timings/prompt_per_second",
        "timings/predicted_n",
        "timings/predicted_ms",
        "timings/predicted_per_token_ms",
        "timings/predicted_per_second",
        "truncated",
        "tokens_cached",
    ],
}


@pytest.fixture(scope="module")
def real_served(real_model: Path) -> Iterator[Served]:
    with serving(real_model) as running:
        yield running


def test_llama_vims_sequence_warms_the_cache_and_completes(real_served: Served) -> None:
    warmed = real_served.ask("POST", "/infill", WARM)
    assert (warmed.status, warmed.json) == (200, {})
    answer = real_served.ask("POST", "/infill", FIM)
    assert answer.body.startswith(b'{"content":"'), "llama.vim looks for this before it reads the whole"
    body = answer.json
    assert set(body) == set(FIM["response_fields"])
    assert body["content"].startswith("width")
    assert body["tokens_cached"] > 0, "the other file is evaluated already"
    assert body["timings/predicted_n"] > 0
    assert body["timings/prompt_per_second"] > 0
    again = real_served.ask("POST", "/infill", {**FIM, "prompt": FIM["prompt"] + "width"}).json
    assert again["timings/prompt_n"] < body["timings/prompt_n"] + body["tokens_cached"]


def test_llama_vims_instruction_is_a_chat_that_was_warmed_before(real_served: Served) -> None:
    messages = [{"role": "user", "content": "Answer with the word yes."}]
    warm = {"id_slot": 1, "messages": messages, "samplers": [], "n_predict": 0, "response_fields": [""]}
    assert real_served.ask("POST", "/v1/chat/completions", warm).json["usage"]["completion_tokens"] == 0
    body = {
        "messages": messages,
        "min_p": 0.1,
        "temperature": 0.1,
        "samplers": ["min_p", "temperature"],
        "max_tokens": 8,
    }
    answer = real_served.ask("POST", "/v1/chat/completions", {**body, "cache_prompt": True})
    assert answer.json["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


def test_llama_vscodes_several_completions_come_as_a_list(real_served: Served) -> None:
    body = {key: value for key, value in FIM.items() if key != "response_fields"}
    answers = real_served.ask("POST", "/infill", {**body, "n_cmpl": 3}).json
    assert [answer["index"] for answer in answers] == [0, 1, 2]
    assert all(answer["content"] for answer in answers)


def test_llama_vscode_is_served_though_it_names_a_model_of_its_agents(served: Served) -> None:
    """As 0.0.63 sends it with nothing but `endpoint` set; llama.cpp's server takes no notice of the name either."""
    body = {
        "id_slot": 0,
        "input_prefix": "def add(first, second):\n",
        "input_suffix": "\n\n",
        "input_extra": [],
        "prompt": "    r",
        "n_predict": 128,
        "n_cmpl": 3,
        "top_k": 40,
        "top_p": 0.99,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "n_indent": 4,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 500,
        "model": "google/gemini-2.5-flash",
    }
    answers = served.ask("POST", "/infill", body)
    assert answers.status == 200, answers.body
    assert [answer["model"] for answer in answers.json] == 3 * ["builtin"]
    chat = {"model": body["model"], "messages": [{"role": "user", "content": "Hello"}]}
    assert served.ask("POST", "/v1/chat/completions", chat).status == 404


def test_llama_vscode_counts_tokens_by_template_and_tokenizer(real_served: Served) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    prompt = real_served.ask("POST", "/apply-template", {"messages": messages}).json["prompt"]
    assert "Hello" in prompt
    tokens = real_served.ask("POST", "/tokenize", {"content": prompt, "add_special": False, "parse_special": True})
    chat = real_served.ask("POST", "/v1/chat/completions", {"messages": messages, "max_tokens": 1})
    assert len(tokens.json["tokens"]) == chat.json["usage"]["prompt_tokens"]


def test_what_llama_vscode_reads_of_the_servers_properties_is_there(served: Served) -> None:
    props = served.ask("GET", "/props?model=builtin&autoload=true").json
    assert props["default_generation_settings"]["n_ctx"] == 1024
    assert "/" not in props["model_path"]
    assert served.ask("GET", "/props?model=nothing").status == 404
    assert served.ask("GET", "/health").json == {"status": "ok"}


def test_a_question_for_properties_unloads_no_model(tmp_path: Path, builtin_model: Path) -> None:
    held = tmp_path / "held.gguf"
    held.symlink_to(builtin_model)
    with serving(held) as running:
        answer = running.ask("GET", "/props?model=builtin")
        assert (answer.status, answer.message) == (503, "builtin is not loaded; ask it for a text first")
        assert running.ask("GET", "/health", over="unix").json["settings"]["model_path"] == str(held)
        assert running.ask("GET", "/props?model=default").json["model_path"] == "held.gguf"


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_returned_without_probabilities(served: Served, *, stream: bool) -> None:
    body = {"prompt": "def add(a, b):\n", "n_predict": 4, "temperature": 0, "return_tokens": True, "stream": stream}
    answer = served.ask("POST", "/completion", body)
    objects = answer.events if stream else [answer.json]
    tokens = [token for one in objects for token in one["tokens"]]
    assert len(tokens) == objects[-1]["tokens_predicted"] > 0
    assert not any("completion_probabilities" in one for one in objects)
    text = "".join(one["content"] for one in objects)
    assert served.ask("POST", "/detokenize", {"tokens": tokens}).json["content"] == text


def test_an_infill_is_the_same_whole_and_streamed(served: Served) -> None:
    body = {"input_prefix": "def add(a, b):\n    return ", "input_suffix": "\n", "n_predict": 8, "temperature": 0}
    whole = served.ask("POST", "/infill", body).json
    *pieces, last = served.ask("POST", "/infill", {**body, "stream": True}).events
    assert "".join(piece["content"] for piece in pieces) == whole["content"]
    assert not any(piece["stop"] for piece in pieces)
    assert (last["stop"], last["stop_type"]) == (True, whole["stop_type"])


def test_tokens_come_back_as_the_text_they_are_of(served: Served) -> None:
    text = "def f(x):\n    return 'ü✓'\n"
    tokens = served.ask("POST", "/tokenize", {"content": text}).json["tokens"]
    assert served.ask("POST", "/detokenize", {"tokens": tokens}).json["content"] == text


def test_probabilities_come_with_the_tokens(served: Served) -> None:
    body = {"prompt": "def add(a, b):\n", "n_predict": 2, "temperature": 0, "n_probs": 3, "return_tokens": True}
    answer = served.ask("POST", "/completion", body).json
    assert [one["id"] for one in answer["completion_probabilities"]] == answer["tokens"]
    for one in answer["completion_probabilities"]:
        assert len(one["top_logprobs"]) == 3
        assert one["top_logprobs"][0]["logprob"] >= one["logprob"] - 1e-6


def test_slots_tell_who_is_served(served: Served) -> None:
    wait_for(lambda: not served.ask("GET", "/slots").json[0]["is_processing"])
    connection = served.connect()
    connection.request("POST", "/infill", b'{"input_prefix": "x = [1, ", "n_predict": 600, "ignore_eos": true}')
    wait_for(lambda: served.ask("GET", "/slots").json[0]["is_processing"])
    (slot,) = served.ask("GET", "/slots").json
    assert slot["priority"] == "interactive"
    connection.close()
    wait_for(lambda: not served.ask("GET", "/slots").json[0]["is_processing"])


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/infill", {"n_predict": 10**6}, "max_tokens 1000000 leaves no room for a prompt"),
        ("/infill", {"input_extra": [3]}, "input_extra[0] must be an object"),
        ("/completion", {}, "prompt is missing"),
        ("/completion", {"prompt": "a", "grammar": "nonsense"}, ""),
        ("/detokenize", {"tokens": [10**8]}, ""),
        ("/apply-template", {"messages": "x"}, "messages must be a list"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(served: Served, path: str, body: Any, message: str) -> None:
    answer = served.ask("POST", path, body)
    assert answer.status == 400, answer.body
    assert answer.message.startswith(message)
    assert "\n" not in answer.message
