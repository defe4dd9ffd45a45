"""A small HTTP server in a thread that speaks as the servers do that may stand in the engine's place, strictly.

Each kind of server is a table of routes: what a route gets is a `Call`, what it answers a `Json`, `Stream` or `Raw`.
The "model" is a toy: tokens are words with the blanks before them, and a token's log-probability hangs on it and the
one before.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dsassist_runtime.remote.families import FAMILIES

KEY = "sk-test-1234"
OPENAI_FIELDS = {
    "model", "prompt", "suffix", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "stop", "seed",
    "echo", "logprobs", "frequency_penalty", "presence_penalty", "logit_bias", "user", "best_of",
}  # fmt: skip
MARKS = [mark for family in FAMILIES for mark in (family.prefix, family.suffix, family.middle) if mark]


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Json:
    value: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Bytes with a content type."""

    content: bytes
    content_type: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """Events, each after `pause_s`; `cut` closes the connection behind them in place of an end."""

    events: Sequence[bytes]
    pause_s: float = 0.0
    cut: bool = False


Route = Callable[[Call], "Json | Raw | Stream"]


class RemoteServer:
    """A running server: where it is, what was asked of it, and how many of its streams were hung up on."""

    def __init__(self, routes: dict[str, Route]) -> None:
        self.routes = routes
        self.calls: list[Call] = []
        self.hung_up = threading.Event()
        self.connections = 0
        self.address = ""
        self._open: list[socket.socket] = []

    def opened(self, connection: socket.socket) -> None:
        self.connections += 1
        self._open.append(connection)

    def hang_up(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]


@contextmanager
def running(routes: dict[str, Route], tls: ssl.SSLContext | None = None) -> Iterator[RemoteServer]:
    """The server for as long as the context lasts, encrypted if `tls` is given."""
    server = RemoteServer(routes)

    class Handler(_Handler):
        remote = server

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.handle_error = lambda *_args: None  # type: ignore[method-assign]  # a client that hangs up is no news
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.address = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    remote: RemoteServer

    def setup(self) -> None:
        super().setup()
        self.remote.opened(self.connection)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_args: object) -> None:
        """Tests have no use for a log."""

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.command == "POST":
            assert headers["content-type"] == "application/json"
        call = Call(self.command, self.path, headers, json.loads(content) if content else None)
        self.remote.calls.append(call)
        route = self.remote.routes.get(f"{self.command} {self.path}")
        answer = route(call) if route else Json({"detail": "Not Found"}, 404)
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            self.remote.hung_up.set()
            self.close_connection = True

    def _send(self, answer: Json | Raw | Stream) -> None:
        if isinstance(answer, Stream):
            self._stream(answer)
            return
        raw = answer
        if isinstance(answer, Json):
            raw = Raw(json.dumps(answer.value).encode(), "application/json", answer.status, answer.headers)
        assert isinstance(raw, Raw)
        self.send_response(raw.status)
        for name, value in {"content-type": raw.content_type, **raw.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw.content)))
        self.end_headers()
        self.wfile.write(raw.content)

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in stream.events:
            time.sleep(stream.pause_s)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.wfile.flush()
        if stream.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


# -- the toy model


def tokens_of(text: str) -> list[str]:
    return re.findall(r"\n|[^\S\n]*\w+|[^\S\n]*[^\w\s]|[^\S\n]+", text)


def logprob(before: str, token: str) -> float:
    return -(zlib.crc32(f"{before}\0{token}".encode()) % 500 + 1) / 100


def event(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def completion_events(text: str, usage: dict[str, Any] | None, model: str = "m") -> list[bytes]:
    """The events of a streamed completion, a token each, as OpenAI and vLLM send them."""
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": model}
    pieces = tokens_of(text)
    events = [
        event({**head, "choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]})
        for piece in pieces
    ]
    events.append(event({**head, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]}))
    if usage is not None:
        events.append(event({**head, "choices": [], "usage": usage}))
    return [*events, DONE]


def echoed(prompt: str, bos: str = "") -> dict[str, Any]:
    """The `logprobs` of an echoed prompt with one token behind it."""
    tokens = [*([bos] if bos else []), *tokens_of(prompt), " x"]
    values = [None, *(logprob(a, b) for a, b in itertools.pairwise(tokens))]
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    tops = [None, *({token: value, "<unlikely>": -9.0} for token, value in zip(tokens[1:], values[1:], strict=True))]
    return {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": tops}


# -- kinds of servers


def models(model: str, owner: str, **more: Any) -> Route:
    entry = {"id": model, "object": "model", "created": 1, "owned_by": owner, **more}
    return lambda _call: Json({"object": "list", "data": [entry]})


def error(status: int, message: str, **headers: str) -> Json:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Json({"error": {"message": message, "type": "invalid_request_error", "code": status}}, status, named)


def vllm(model: str, middle: str, *, bos: str = "", extra_fields: bool = True) -> dict[str, Route]:
    """vLLM: no suffix, marks in the prompt, an echoed prompt with log-probabilities."""

    def complete(call: Call) -> Json | Stream:
        body = call.body
        if unknown := set(body) - OPENAI_FIELDS - ({"top_k", "min_p"} if extra_fields else set()):
            return error(400, f"Unrecognized request argument supplied: {sorted(unknown)[0]}")
        if body["model"] != model:
            return error(404, f"The model `{body['model']}` does not exist.")
        if body.get("suffix") is not None:
            return error(400, "suffix is not currently supported")
        if body.get("echo"):
            choice = {
                "index": 0,
                "text": body["prompt"],
                "logprobs": echoed(body["prompt"], bos),
                "finish_reason": "length",
            }
            return Json({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
        # A prompt without marks goes on as prose, which no test asks for.
        text = middle if any(mark in body["prompt"] for mark in MARKS) else "once upon a time"
        count = {"prompt_tokens": len(tokens_of(body["prompt"])), "completion_tokens": len(tokens_of(text))}
        usage = {**count, "prompt_tokens_details": {"cached_tokens": 2}}
        return Stream(completion_events(text, usage if body.get("stream_options") else None, model))

    return {"GET /v1/models": models(model, "vllm", max_model_len=4096), "POST /v1/completions": complete}


def llama_server(model: str, middle: str, *, has_fim: bool = True) -> dict[str, Route]:
    """llama-server: `/infill` for models with marks, neither `suffix` nor `echo`."""

    def infill(call: Call) -> Json | Stream:
        if not has_fim:
            return error(501, "Infill is not supported by this model: prefix token is missing")
        body = call.body
        end = {
            "content": "", "stop": True, "stop_type": "eos", "tokens_evaluated": 12, "tokens_predicted": 3,
            "timings": {"cache_n": 5, "prompt_n": 7, "predicted_n": 3},
        }  # fmt: skip
        if not body["stream"]:
            return Json({**end, "content": middle})
        assert isinstance(body["input_prefix"], str)
        return Stream([*(event({"content": token, "stop": False}) for token in tokens_of(middle)), event(end)])

    def complete(call: Call) -> Json | Stream:
        if call.body.get("echo"):
            return error(400, "Only no echo is supported")
        if "suffix" in call.body:
            return error(400, "Unsupported param: suffix")
        return Stream(completion_events(middle, {"prompt_tokens": 4, "completion_tokens": 3}, model))

    return {
        "GET /v1/models": models(model, "llamacpp"),
        "GET /props": lambda _call: Json({"default_generation_settings": {"n_ctx": 2048}}),
        "POST /infill": infill,
        "POST /v1/completions": complete,
    }


def reading_suffix(model: str, middle: str, owner: str, *, reads_it: bool = True) -> dict[str, Route]:
    """A server with a `suffix` of its own (Ollama); or one that leaves it out without a word (SGLang)."""

    def complete(call: Call) -> Json | Stream:
        body = call.body
        if unknown := set(body) - OPENAI_FIELDS:
            return error(400, f"Unrecognized request argument supplied: {sorted(unknown)[0]}")
        read = body["prompt"] + (body.get("suffix") or "" if reads_it else "")
        usage = {"prompt_tokens": len(tokens_of(read)), "completion_tokens": 3}
        if not body["stream"]:
            choice = {"index": 0, "text": middle, "logprobs": None, "finish_reason": "length"}
            return Json({"choices": [choice], "usage": usage})
        return Stream(completion_events(middle, {**usage, "prompt_cache_hit_tokens": 1}, model))

    return {"GET /v1/models": models(model, owner), "POST /v1/completions": complete}


def dsassist(model: str) -> dict[str, Route]:
    """dsassist's own server, as far as scores go."""

    def score(call: Call) -> Json:
        data = []
        for continuation in call.body["continuations"]:
            tokens = tokens_of(continuation)
            before = tokens_of(call.body["prefix"])[-1]
            values = [logprob(a, b) for a, b in zip([before, *tokens], tokens, strict=False)]
            data.append({"tokens": [zlib.crc32(token.encode()) for token in tokens], "logprobs": values})
        return Json({"data": data})

    return {**llama_server(model, "x"), "GET /v1/models": models(model, "dsassist"), "POST /v1/score": score}
