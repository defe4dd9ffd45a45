"""From messages to a prompt: the model's own chat template, in Hugging Face's form of Jinja.

Text of the messages never becomes a mark of the model. Before rendering, each occurrence of a special token's text in
them is broken by a character that no message can have; the rendering is cut at the marks that are left, which are the
template's own, and what lies between is tokenized as plain text. (llama-server renders first and tokenizes with
`parse_special`: there `<|im_end|>` in a message ends the turn.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from dsassist_runtime.errors import ModelUnsupported, RequestRefused
from dsassist_runtime.llama.model import Vocabulary

__all__ = ["ChatTemplate"]

_MOST_MESSAGES = 10_000
_LONGEST_PROMPT = 16_000_000  # characters

_BLANKS = " \t\n\r\v\f"

# A lone surrogate: no UTF-8 holds one, so that no message that is left after `_plain` does.
_BREAK = "\ud800"

# Of the models that end a turn by <|im_end|>; the form is the one that OpenAI published as ChatML.
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class ChatTemplate:
    """A model's template and its special tokens. Its methods are safe from several threads."""

    def __init__(self, source: str, vocabulary: Vocabulary, name: str = "this model") -> None:
        """`source` as it stands in the GGUF; empty takes ChatML where the vocabulary has its marks.

        `ModelUnsupported` when there is no template, or one that Jinja cannot read.
        """
        self._vocabulary = vocabulary
        self._special = {special.text: special for special in reversed(vocabulary.special)}
        self._marks = re.compile("|".join(re.escape(special.text) for special in vocabulary.special) or r"\b\B")
        self._bos_text = "" if vocabulary.bos is None else vocabulary.mark(vocabulary.bos)
        self._eos_text = "" if vocabulary.eos is None else vocabulary.mark(vocabulary.eos)
        if not source and "<|im_start|>" not in self._special:
            raise ModelUnsupported(f"{name} has no chat template, so it cannot chat; choose an instruct model")
        self._name = name
        self._takes_tools = "tools" in source
        self._template = _compiled(source or _CHATML, self._broken, name)

    def render(self, messages: Any, tools: Any = None, /, **arguments: Any) -> str:
        """The prompt as text, its last line the beginning of an answer; `arguments` are variables of the template.

        `RequestRefused` for messages of another form, or that the template does not take.
        """
        return self._rendered(messages, tools, arguments).replace(_BREAK, "")

    def tokens(self, messages: Any, tools: Any = None, /, **arguments: Any) -> list[int]:
        """The prompt as tokens, with the model's BOS once where it wants one; errors as `render`."""
        text = self._rendered(messages, tools, arguments)
        tokens: list[int] = []
        start = 0
        for found in self._marks.finditer(text):
            special = self._special[found.group()]
            before = text[start : found.start()]
            tokens += self._plain_tokens(before.rstrip(_BLANKS) if special.strips_left else before)
            tokens.append(special.token)
            start = found.end()
            if special.strips_right:
                start = len(text) - len(text[start:].lstrip(_BLANKS))
        tokens += self._plain_tokens(text[start:])
        vocabulary = self._vocabulary
        if vocabulary.adds_bos and vocabulary.bos is not None and tokens[:1] != [vocabulary.bos]:
            tokens.insert(0, vocabulary.bos)
        return tokens

    def _rendered(self, messages: Any, tools: Any, arguments: dict[str, Any]) -> str:
        from jinja2 import TemplateError

        given = {"messages": _checked_messages(messages), "tools": _checked_tools(tools)}
        if given["tools"] and not self._takes_tools:
            raise RequestRefused(f"the chat template of {self._name} knows no tools; send none, or take another model")
        try:
            variables = self._each_broken({"add_generation_prompt": True, **arguments, **given})
            return _bounded(
                self._template.generate({"bos_token": self._bos_text, "eos_token": self._eos_text, **variables})
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise RequestRefused(
                f"the chat template of {self._name} does not take these messages: {error or type(error).__name__}"
            ) from error
        except RecursionError as error:
            raise RequestRefused("the messages are nested too deep for a chat template") from error

    def _plain_tokens(self, text: str) -> list[int]:
        text = text.replace(_BREAK, "")
        return self._vocabulary.tokenize(text) if text else []

    def _broken(self, text: str) -> str:
        """`text`, in which no special token's text stands any more."""
        return self._marks.sub(lambda found: found.group()[0] + _BREAK + found.group()[1:], text)

    def _each_broken(self, value: Any) -> Any:
        """A JSON value in which all texts are `_broken`, keys too."""
        if isinstance(value, str):
            return self._broken(_plain(value))
        if isinstance(value, dict):
            kind = _Arguments if isinstance(value, _Arguments) else dict
            return kind({self._each_broken(key): self._each_broken(item) for key, item in value.items()})
        if isinstance(value, list | tuple):
            return [self._each_broken(item) for item in value]
        return value


class _Arguments(dict[str, Any]):
    """Arguments of a tool call: an object for templates that ask for `tojson`, JSON text for those that join strings.

    Both kinds are about; DeepSeek's are of the second, where a plain dict would be a TypeError or Python's `repr`.
    """

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)


def _compiled(source: str, broken: Callable[[str], str], name: str) -> Any:
    """The template with what `apply_chat_template` of transformers offers to it."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what a model wrote, for training; here it is nothing."""

        tags = {"generation"}  # noqa: RUF012  (so Jinja declares it)

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, **options: Any) -> str:
        # What JSON escapes must not hide a break, so it is put in anew.
        return broken(json.dumps(_unbroken(value), ensure_ascii=ensure_ascii, indent=indent, **options))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(source)
    except (TemplateError, RecursionError) as error:
        raise ModelUnsupported(f"the chat template of {name} cannot be read ({error}); choose another model") from error


def _bounded(pieces: Iterable[str]) -> str:
    """The rendering, unless it runs away."""
    parts, length = [], 0
    for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length > _LONGEST_PROMPT:
            raise RequestRefused(f"the model's chat template wrote more than {_LONGEST_PROMPT} characters")
    return "".join(parts)


def _plain(text: str) -> str:
    """Without lone surrogates, which become question marks as in `Vocabulary.tokenize`."""
    return text.encode("utf-8", "replace").decode()


def _unbroken(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_BREAK, "")
    if isinstance(value, dict):
        return {_unbroken(key): _unbroken(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_unbroken(item) for item in value]
    return value


def _checked_messages(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list | tuple) or not messages:
        raise RequestRefused("messages must be a list of one or more objects with `role` and `content`")
    if len(messages) > _MOST_MESSAGES:
        raise RequestRefused(f"there are {len(messages)} messages; {_MOST_MESSAGES} are the most")
    return [_checked_message(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _checked_message(message: Any, where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise RequestRefused(f"{where} must be an object with `role` and `content`")
    role = message.get("role")
    if not isinstance(role, str) or not re.fullmatch(r"\w{1,64}", role):
        raise RequestRefused(f"{where}.role must be a word such as user, assistant, system or tool")
    content = _text_of(message.get("content"), f"{where}.content")
    checked = {name: value for name, value in message.items() if name != "tool_calls"}
    if message.get("tool_calls"):
        # DeepSeek's templates ask for `content is none` beside calls.
        calls = _checked_calls(message["tool_calls"], f"{where}.tool_calls")
        return {**checked, "content": content or None, "tool_calls": calls}
    return {**checked, "content": content}


def _text_of(content: Any, where: str) -> str:
    """A message's content as one text; templates differ in which of the three forms they take."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RequestRefused(f"{where} must be a string, null or a list of parts")
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "input_text", "output_text", "refusal"):
            raise RequestRefused(f"{where}[{i}] is of the type {kind!r}; this engine reads text only")
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise RequestRefused(f"{where}[{i}].text must be a string")
        texts.append(text)
    return "".join(texts)


def _checked_calls(calls: Any, where: str) -> list[dict[str, Any]]:
    """An assistant's tool calls with `arguments` as an object, which is what templates expect."""
    if not isinstance(calls, list):
        raise RequestRefused(f"{where} must be a list")
    checked = []
    for i, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RequestRefused(f"{where}[{i}].function must be an object with `name` and `arguments`")
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except (ValueError, RecursionError) as error:
                raise RequestRefused(f"{where}[{i}].function.arguments is no JSON ({error})") from error
        if not isinstance(arguments, dict):
            raise RequestRefused(f"{where}[{i}].function.arguments must be an object, or one as JSON text")
        checked.append({"type": "function", **call, "function": {**function, "arguments": _Arguments(arguments)}})
    return checked


def _checked_tools(tools: Any) -> list[dict[str, Any]] | None:
    if not tools:
        return None  # templates ask `if tools`, and some `is not none`
    if not isinstance(tools, list | tuple):
        raise RequestRefused("tools must be a list")
    for i, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RequestRefused(f"tools[{i}] must be an object of the type function with `function.name`")
    return list(tools)
