from __future__ import annotations

import random
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dsassist_runtime.api import Sampling
from dsassist_runtime.engine.chat import ChatTemplate
from dsassist_runtime.engine.tool_calls import ToolCallStream, parse
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.sampler import Sampler


class ToolCall(NamedTuple):
    name: str
    arguments: str


OSLO = ToolCall("weather", '{"city": "Oslo"}')
BERGEN = ToolCall("weather", '{"city": "Bergen"}')
OBJECT = '{"name": "weather", "arguments": {"city": "Oslo"}}'
HERMES = f"<tool_call>\n{OBJECT}\n</tool_call>"
DEEPSEEK = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n"
    '```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜>\n'
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n"
    '```json\n{"city": "Bergen"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
)
DEEPSEEK_31 = (
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Oslo"}<｜tool▁call▁end｜>'
    '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Bergen"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
)

CALLS = {  # text: what is left of it, and its calls
    HERMES: ("", (OSLO,)),
    f"I look.\n\n{HERMES}\n": ("I look.", (OSLO,)),
    f"{HERMES}\n{HERMES.replace('Oslo', 'Bergen')}": ("", (OSLO, BERGEN)),
    f"<tool_call>{OBJECT}</tool_call> Done.": ("Done.", (OSLO,)),
    f"<tool_call>\n{OBJECT}": ("", (OSLO,)),  # small models stop before the closing mark
    '<tool_call>{"name": "other"}</tool_call>': ("", (ToolCall("other", "{}"),)),
    '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>': ("", (OSLO,)),
    '<tool_call>{"name": "weather", "parameters": {"city": "Oslo"}}</tool_call>': ("", (OSLO,)),
    '<tool_call>{"name": "write", "arguments": {"text": "a\nb </tool"}}</tool_call>': (
        "",
        (ToolCall("write", '{"text": "a\\nb </tool"}'),),
    ),
    DEEPSEEK: ("", (OSLO, BERGEN)),
    f"Let me see.{DEEPSEEK}": ("Let me see.", (OSLO, BERGEN)),
    DEEPSEEK_31: ("", (OSLO, BERGEN)),
    # What Qwen2.5-Coder-0.5B writes.
    OBJECT: ("", (OSLO,)),
    '```json\n{\n  "name": "weather",\n  "arguments": {\n    "city": "Oslo"\n  }\n}\n```': ("", (OSLO,)),
    f"Here's the call:\n\n{OBJECT}": ("Here's the call:", (OSLO,)),
    f"{OBJECT}\n{OBJECT.replace('Oslo', 'Bergen')}": ("", (OSLO, BERGEN)),
    f"```\n{OBJECT}\n```\nThat is it.": ("That is it.", (OSLO,)),
    f"```json\n{OBJECT}\n{OBJECT.replace('Oslo', 'Bergen')}\n```": ("", (OSLO, BERGEN)),
}
TEXTS = [
    "",
    "Plain text.\n",
    "a < b, <tool and `x`\n`",
    '{"name": "src/main.py", "arguments": {"city": "Oslo"}}',  # no such tool
    '{"name": "weather", "arguments": [1]}',
    '{"name": "weather", "arguments": {"city": ',
    "```json\n" + '{"name": "x"}' + "\n```\n",
    "```python\nprint({'name': 1})\n```\n",
    f"as in {OBJECT}",  # within a line
    "<tool_call>\nnot JSON\n</tool_call>\n",
    "<tool_call>\n" + '{"arguments": {}}' + "\n</tool_call>",
    '<tool_call>{"name": "weather", "arguments": "no JSON"}</tool_call>',
    "<｜tool▁calls▁begin｜>nothing<｜tool▁calls▁end｜>",
    DEEPSEEK.replace('{"city": "Bergen"}', "Bergen"),
    "{\n  int name;\n}\n\n```c\nint f() {\n}\n```",
]


def parsed(text: str, names: list[str]) -> tuple[str, tuple[ToolCall, ...]]:
    content, calls = parse(text, names)
    return content, tuple(ToolCall(**call["function"]) for call in calls)


def shown(pieces: list[Any]) -> list[str | ToolCall]:
    return [piece if kind == "content" else ToolCall(**piece["function"]) for kind, piece in pieces]


@pytest.mark.parametrize("text", CALLS, ids=range(len(CALLS)))
def test_calls_are_found_and_taken_out(text: str) -> None:
    assert parsed(text, ["weather"]) == CALLS[text]


def test_calls_have_the_form_of_openais_api_and_names_of_their_own() -> None:
    _, calls = parse(f"{HERMES}\n{HERMES}", [])
    assert [{**call, "id": None} for call in calls] == 2 * [
        {"id": None, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    ]
    assert len({call["id"] for call in calls}) == 2


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_no_call_stays_text(text: str) -> None:
    assert parsed(text, ["weather", "read"]) == (text, ())


def test_bare_objects_are_text_where_no_tool_was_offered() -> None:
    assert parsed(OBJECT, []) == (OBJECT, ())
    assert parsed(HERMES, []) == ("", (OSLO,))


@pytest.mark.parametrize("text", [*CALLS, *TEXTS], ids=range(len(CALLS) + len(TEXTS)))
def test_the_pieces_in_which_a_text_comes_change_nothing(text: str) -> None:
    draw = random.Random(text)
    for longest in (1, 1, 3, 9):
        stream, parts, rest = ToolCallStream(["weather"]), [], text
        while rest:
            length = draw.randint(1, longest)
            parts += shown(stream.push(rest[:length]))
            rest = rest[length:]
        parts += shown(stream.finish())
        content = "".join(part for part in parts if isinstance(part, str))
        calls = tuple(part for part in parts if isinstance(part, ToolCall))
        assert (content.strip() if calls else content, calls) == parsed(text, ["weather"])


def test_text_is_held_only_while_it_may_become_a_call() -> None:
    stream = ToolCallStream(["weather"])
    assert shown(stream.push("Yes: a <tool")) == ["Yes: a"]
    assert shown(stream.push("box>\n")) == [" <toolbox>"]
    assert shown(stream.push('{"na')) == []
    assert shown(stream.push('me": "wind"')) == ['\n{"name": "wind"']
    assert shown(stream.push("\n```")) == []
    assert shown(stream.push("python\nx")) == ["\n```python\nx"]
    assert shown(stream.push(f"\n{OBJECT[:-1]}")) == []
    assert shown(stream.push("}")) == [OSLO]
    assert shown(stream.push("\n")) == []
    assert shown(stream.finish()) == []


@pytest.mark.real_model
def test_what_a_real_model_answers_is_read_as_a_call(real_model: Path) -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "description": "Weather now", "parameters": city}}]
    messages = [
        {"role": "system", "content": "Call the functions when they help."},
        {"role": "user", "content": "What is the weather in Oslo?"},
    ]
    with ExitStack() as stack:
        model = stack.enter_context(closing(Model(real_model)))
        context = stack.enter_context(closing(Context(model, n_ctx=512, n_batch=512, n_threads=2, abort=AbortFlag())))
        sampler = stack.enter_context(closing(Sampler(Sampling(temperature=0.0), model.vocabulary, 512)))
        tokens = ChatTemplate(model.chat_template or "", model.vocabulary).tokens(messages, tools)
        context.decode([BatchToken(token, i, 0, i == len(tokens) - 1) for i, token in enumerate(tokens)])
        answer: list[int] = []
        while len(answer) < 80 and not model.vocabulary.is_end(token := sampler.sample(context)):
            context.decode([BatchToken(token, len(tokens) + len(answer), 0, True)])
            answer.append(token)
        assert parsed(model.vocabulary.detokenize(answer), ["weather"]) == ("", (OSLO,))
