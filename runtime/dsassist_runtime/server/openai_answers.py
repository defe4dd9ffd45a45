"""The engine's events as OpenAI's objects: chat and text completions, whole and streamed.

A streamed chunk differs from the one before in one string, so all around it is written once, and a token costs one
`json.dumps` of its text: the decode wants these cores.
"""

from __future__ import annotations

import json
from typing import Any

from dsassist_runtime.server.answer import DONE, Envelope, ends_of_choices, server_sent
from dsassist_runtime.server.figures import bounded, finish_reason, timings, usage

__all__ = ["ChatAnswer", "ChatStream", "CompletionAnswer", "CompletionStream", "ScoresAnswer"]


class ChatAnswer:
    """`chat.completion`, whole."""

    media_type = "application/json"

    def __init__(self, envelope: Envelope, tool_names: tuple[str, ...] = (), *, logprobs: bool = False) -> None:
        self._envelope = envelope
        self._tool_names = tool_names
        self._logprobs = logprobs
        self._texts: dict[int, list[str]] = {}
        self._tokens: dict[int, list[dict[str, Any]]] = {}
        self._end: dict[str, Any] = {}

    def event(self, _part: int, event: dict[str, Any]) -> bytes:
        """Keep it."""
        value = event["value"]
        if event["event"] == "text":
            index = value.get("index", 0)
            self._texts.setdefault(index, []).append(value["text"])
            self._tokens.setdefault(index, []).extend(value.get("logprobs", ()))
        elif event["event"] == "end":
            self._end = value
        return b""

    def close(self) -> bytes:
        """The object."""
        choices = [self._choice(index, reason) for index, reason in ends_of_choices(self._end)]
        body = {
            **self._envelope.fields("chat.completion"),
            "choices": choices,
            "usage": usage([self._end]),
            "timings": timings(self._end),
        }
        return json.dumps(body, separators=(",", ":")).encode()

    def fail(self, error: dict[str, Any]) -> bytes:
        """Nothing was sent, so it is the body."""
        return json.dumps(error).encode()

    def _choice(self, index: int, reason: str) -> dict[str, Any]:
        content: str | None = "".join(self._texts.get(index, ()))
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if self._tool_names and content:
            from dsassist_runtime.engine.tool_calls import parse

            content, calls = parse(content, self._tool_names)
            message["content"] = content or (None if calls else "")
            if calls:
                message["tool_calls"] = calls
        return {
            "index": index,
            "message": message,
            "logprobs": _chat_logprobs(self._tokens.get(index, [])) if self._logprobs else None,
            "finish_reason": "tool_calls" if message.get("tool_calls") else finish_reason(reason),
        }


class ChatStream:
    """`chat.completion.chunk`s: the role, the text as it comes, the finish reasons, and the usage if asked for."""

    media_type = "text/event-stream"

    def __init__(
        self,
        envelope: Envelope,
        n: int,
        tool_names: tuple[str, ...] = (),
        *,
        logprobs: bool = False,
        include_usage: bool = False,
    ) -> None:
        self._base = envelope.fields("chat.completion.chunk")
        self._n = n
        self._logprobs = logprobs
        self._include_usage = include_usage
        self._calls = _tool_call_streams(tool_names, n)
        self._n_calls = [0] * n
        self._end: dict[str, Any] = {}
        base = json.dumps(self._base, separators=(",", ":"))[:-1]
        self._before = [
            f'data: {base},"choices":[{{"index":{index},"delta":{{"content":'.encode() for index in range(n)
        ]
        self._after = b'},"logprobs":null,"finish_reason":null}]}\n\n'

    def event(self, _part: int, event: dict[str, Any]) -> bytes:
        """The chunks for one event."""
        kind, value = event["event"], event["value"]
        if kind == "text":
            if self._calls is None and not self._logprobs:
                return b"".join((self._before[value.get("index", 0)], json.dumps(value["text"]).encode(), self._after))
            return self._text(value)
        if kind == "prompt":
            first = {"role": "assistant", "content": ""}
            return b"".join(self._chunk(index, first) for index in range(self._n))
        self._end = value
        return b"".join(self._finish(index, reason) for index, reason in ends_of_choices(value))

    def close(self) -> bytes:
        """The usage and the end."""
        if not self._include_usage:
            return DONE
        return server_sent({**self._base, "choices": [], "usage": usage([self._end])}) + DONE

    def fail(self, error: dict[str, Any]) -> bytes:
        """The error as an event, and the end."""
        return server_sent(error) + DONE

    def _text(self, value: dict[str, Any]) -> bytes:
        index = value.get("index", 0)
        logprobs = _chat_logprobs(value.get("logprobs", [])) if self._logprobs else None
        if self._calls is None:
            return self._chunk(index, {"content": value["text"]}, logprobs)
        pieces = self._pieces(index, self._calls[index].push(value["text"]))
        if logprobs is None or not logprobs["content"]:
            return pieces
        return self._chunk(index, {}, logprobs) + pieces

    def _finish(self, index: int, reason: str) -> bytes:
        rest = self._pieces(index, self._calls[index].finish()) if self._calls else b""
        last = "tool_calls" if self._n_calls[index] else finish_reason(reason)
        return rest + self._chunk(index, {}, None, last, timings=timings(self._end))

    def _pieces(self, index: int, pieces: list[tuple[str, Any]]) -> bytes:
        chunks = []
        for kind, piece in pieces:
            if kind == "content":
                chunks.append(self._chunk(index, {"content": piece}))
            else:
                chunks.append(self._chunk(index, {"tool_calls": [{"index": self._n_calls[index], **piece}]}))
                self._n_calls[index] += 1
        return b"".join(chunks)

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None, **more: Any
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return server_sent({**self._base, "choices": [choice], **more})


class CompletionAnswer:
    """`text_completion`, whole. `prompts` are the texts that answers begin with (`echo`), one for each part."""

    media_type = "application/json"

    def __init__(self, envelope: Envelope, n: int, prompts: tuple[str, ...] | None = None, *, logprobs: bool) -> None:
        self._envelope = envelope
        self._n = n
        self._prompts = prompts
        self._logprobs = logprobs
        self._texts: dict[int, list[str]] = {}
        self._tokens: dict[int, list[dict[str, Any]]] = {}
        self._prompt_tokens: dict[int, list[dict[str, Any]]] = {}
        self._ends: dict[int, dict[str, Any]] = {}

    def event(self, part: int, event: dict[str, Any]) -> bytes:
        """Keep it."""
        value = event["value"]
        if event["event"] == "text":
            index = part * self._n + value.get("index", 0)
            self._texts.setdefault(index, []).append(value["text"])
            self._tokens.setdefault(index, []).extend(value.get("logprobs", ()))
        elif event["event"] == "prompt":
            self._prompt_tokens[part] = value["logprobs"]
        elif event["event"] == "end":
            self._ends[part] = value
        return b""

    def close(self) -> bytes:
        """The object."""
        choices = [
            self._choice(part, index, reason)
            for part, end in sorted(self._ends.items())
            for index, reason in ends_of_choices(end)
        ]
        ends = list(self._ends.values())
        body = {**self._envelope.fields("text_completion"), "choices": choices, "usage": usage(ends)}
        if len(ends) == 1:
            body["timings"] = timings(ends[0])
        return json.dumps(body, separators=(",", ":")).encode()

    def fail(self, error: dict[str, Any]) -> bytes:
        """Nothing was sent, so it is the body."""
        return json.dumps(error).encode()

    def _choice(self, part: int, index: int, reason: str) -> dict[str, Any]:
        number = part * self._n + index
        text, tokens = "".join(self._texts.get(number, ())), self._tokens.get(number, [])
        logprobs = None
        if self._prompts is None:
            logprobs = _completion_logprobs(tokens, 0) if self._logprobs else None
        else:
            prompt = self._prompts[part]
            text = prompt + text
            if self._logprobs:
                logprobs = _completion_logprobs([*_with_first(prompt, self._prompt_tokens[part]), *tokens], 0)
        return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": finish_reason(reason)}


class CompletionStream:
    """`text_completion` chunks."""

    media_type = "text/event-stream"

    def __init__(
        self,
        envelope: Envelope,
        n: int,
        n_parts: int,
        prompts: tuple[str, ...] | None = None,
        *,
        logprobs: bool,
        include_usage: bool,
    ) -> None:
        self._base = envelope.fields("text_completion")
        self._n = n
        self._prompts = prompts
        self._logprobs = logprobs
        self._include_usage = include_usage
        self._ends: list[dict[str, Any]] = []
        self._offsets = [0] * (n * n_parts)
        base = json.dumps(self._base, separators=(",", ":"))[:-1]
        self._before = [f'data: {base},"choices":[{{"index":{i},"text":'.encode() for i in range(n * n_parts)]
        self._after = b',"logprobs":null,"finish_reason":null}]}\n\n'

    def event(self, part: int, event: dict[str, Any]) -> bytes:
        """The chunks for one event."""
        kind, value = event["event"], event["value"]
        if kind == "text":
            index = part * self._n + value.get("index", 0)
            if not self._logprobs:
                return b"".join((self._before[index], json.dumps(value["text"]).encode(), self._after))
            return self._with_logprobs(index, value["text"], value.get("logprobs", []))
        if kind == "prompt":
            return self._echo(part, value)
        self._ends.append(value)
        more = {"timings": timings(value)}
        return b"".join(
            self._chunk(part * self._n + index, "", None, finish_reason(reason), **more)
            for index, reason in ends_of_choices(value)
        )

    def close(self) -> bytes:
        """The usage and the end."""
        if not self._include_usage:
            return DONE
        return server_sent({**self._base, "choices": [], "usage": usage(self._ends)}) + DONE

    def fail(self, error: dict[str, Any]) -> bytes:
        """The error as an event, and the end."""
        return server_sent(error) + DONE

    def _echo(self, part: int, value: dict[str, Any]) -> bytes:
        if self._prompts is None:
            return b""
        prompt = self._prompts[part]
        tokens = _with_first(prompt, value["logprobs"]) if self._logprobs else []
        return b"".join(self._with_logprobs(part * self._n + i, prompt, tokens) for i in range(self._n))

    def _with_logprobs(self, index: int, text: str, tokens: list[dict[str, Any]]) -> bytes:
        logprobs = _completion_logprobs(tokens, self._offsets[index]) if self._logprobs else None
        self._offsets[index] += sum(len(token["text"]) for token in tokens)
        return self._chunk(index, text, logprobs)

    def _chunk(self, index: int, text: str, logprobs: Any, reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return server_sent({**self._base, "choices": [choice], **more})


class ScoresAnswer:
    """The log-probabilities of continuations, in the order of the request; minus infinity as `LOWEST_LOGPROB`."""

    media_type = "application/json"

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._scores: list[dict[str, Any]] = []

    def event(self, _part: int, event: dict[str, Any]) -> bytes:
        """Keep it."""
        if event["event"] == "scores":
            self._scores = event["value"]
        return b""

    def close(self) -> bytes:
        """The object."""
        data = [
            {
                "object": "score",
                "index": index,
                "tokens": score["tokens"],
                "logprobs": [bounded(value) for value in score["logprobs"]],
                "sum": bounded(sum(score["logprobs"])),
            }
            for index, score in enumerate(self._scores)
        ]
        return json.dumps({**self._envelope.fields("list"), "data": data}, separators=(",", ":")).encode()

    def fail(self, error: dict[str, Any]) -> bytes:
        """Nothing was sent, so it is the body."""
        return json.dumps(error).encode()


def _tool_call_streams(names: tuple[str, ...], n: int) -> list[Any] | None:
    if not names:
        return None
    from dsassist_runtime.engine.tool_calls import ToolCallStream

    return [ToolCallStream(names) for _ in range(n)]


def _chat_logprobs(tokens: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": [{**_token(token), "top_logprobs": [_token(top) for top in token["top"]]} for token in tokens]}


def _token(token: dict[str, Any]) -> dict[str, Any]:
    raw = token.get("raw") or list(token["text"].encode())
    return {"token": token["text"], "logprob": bounded(token["logprob"]), "bytes": raw}


def _completion_logprobs(tokens: list[dict[str, Any]], offset: int) -> dict[str, Any]:
    """The old form: four lists side by side; the first token of all has no log-probability."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token["text"])
    return {
        "tokens": [token["text"] for token in tokens],
        "token_logprobs": [None if token["logprob"] is None else bounded(token["logprob"]) for token in tokens],
        "top_logprobs": [{top["text"]: bounded(top["logprob"]) for top in token["top"]} or None for token in tokens],
        "text_offset": offsets,
    }


def _with_first(prompt: str, tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The prompt's tokens with the first one, which nothing stands before: what the others leave of the prompt.

    A model that begins every text with a mark of its own leaves nothing, and then there is no such token.
    """
    raw = prompt.encode()
    first = raw[: len(raw) - sum(len(token["raw"]) for token in tokens)].decode("utf-8", "replace")
    return [{"text": first, "logprob": None, "top": [], "raw": []}, *tokens] if first else tokens
