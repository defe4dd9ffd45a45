"""OpenAI's API, as far as a local model has it.

    POST /v1/chat/completions   POST /v1/completions   GET /v1/models   GET /v1/models/NAME
    POST /v1/score              log-probabilities of given continuations (ours)

The bodies are read in `openai_requests`, the answers made in `openai_answers`.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dsassist_runtime.api import InfillRequest
from dsassist_runtime.server.answer import Answer, Envelope
from dsassist_runtime.server.error_answer import ModelNotServed
from dsassist_runtime.server.fields import parse_object
from dsassist_runtime.server.openai_answers import (
    ChatAnswer,
    ChatStream,
    CompletionAnswer,
    CompletionStream,
    ScoresAnswer,
)
from dsassist_runtime.server.openai_requests import chat_job, completion_job, continuations_request
from dsassist_runtime.server.service import Service
from dsassist_runtime.server.serving import AnswerResponse
from dsassist_runtime.wire import to_wire

__all__ = ["routes"]


def routes(service: Service) -> list[Route]:
    """The endpoints."""

    async def chat_completions(request: Request) -> ASGIApp:
        body = parse_object(await request.body())
        job = chat_job(body)
        settings, name = service.model_for(request, body)
        envelope, logprobs = Envelope.new("chatcmpl", name), job.request.logprobs is not None
        answer: Answer
        if job.stream:
            answer = ChatStream(
                envelope, job.request.n, job.tool_names, logprobs=logprobs, include_usage=job.include_usage
            )
        else:
            answer = ChatAnswer(envelope, job.tool_names, logprobs=logprobs)
        events = service.run(request, settings, "chat", to_wire(job.request))
        return AnswerResponse(service.activity, [events], answer)

    async def completions(request: Request) -> ASGIApp:
        body = parse_object(await request.body())
        job = completion_job(body)
        settings, name = service.model_for(request, body)
        first = job.requests[0]
        envelope, logprobs = Envelope.new("cmpl", name), first.logprobs is not None
        prompts = tuple(one.prompt for one in job.requests) if job.echo else None
        answer: Answer
        if job.stream:
            answer = CompletionStream(
                envelope, first.n, len(job.requests), prompts, logprobs=logprobs, include_usage=job.include_usage
            )
        else:
            answer = CompletionAnswer(envelope, first.n, prompts, logprobs=logprobs)
        parts = [
            service.run(request, settings, "infill" if isinstance(one, InfillRequest) else "complete", to_wire(one))
            for one in job.requests
        ]
        return AnswerResponse(service.activity, parts, answer)

    async def score(request: Request) -> ASGIApp:
        body = parse_object(await request.body())
        wanted = continuations_request(body)
        settings, name = service.model_for(request, body)
        events = service.run(request, settings, "continuations", to_wire(wanted))
        return AnswerResponse(service.activity, [events], ScoresAnswer(Envelope.new("score", name)))

    async def models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(service, name) for name in service.models.names()]})

    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in service.models.names():
            service.models.settings_for(name)  # raises, with the names that there are
            raise ModelNotServed(f"there is no model {name!r} here")
        return JSONResponse(_model(service, name))

    return [
        Route("/v1/chat/completions", chat_completions, methods=["POST"]),
        Route("/chat/completions", chat_completions, methods=["POST"]),
        Route("/v1/completions", completions, methods=["POST"]),
        Route("/v1/score", score, methods=["POST"]),
        Route("/v1/models", models),
        Route("/models", models),
        Route("/v1/models/{name}", model),
    ]


def _model(service: Service, name: str) -> dict[str, Any]:
    """OpenAI's object; `meta` has llama.cpp's fields for the model that is loaded."""
    facts = service.supervisor.facts
    settings = service.supervisor.settings
    loaded = facts is not None and settings == service.models.settings_for(name)[0]
    meta = None
    if loaded and facts is not None:
        meta = {
            "n_vocab": facts["n_vocab"],
            "n_ctx": facts["n_ctx"],
            "n_ctx_train": facts["n_ctx_train"],
            "n_params": facts["n_params"],
            "size": facts["size_bytes"],
        }
    return {"id": name, "object": "model", "created": 0, "owned_by": "dsassist", "meta": meta}
