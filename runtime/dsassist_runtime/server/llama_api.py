"""llama.cpp's own API in what llama.vim and llama.vscode use of it.

    POST /infill   /completion   /completions   /tokenize   /detokenize   /apply-template
    GET  /props    /slots        (/health is in `engine_api`)

The bodies are read in `llama_requests`, the answers made in `llama_answers`.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dsassist_runtime.api import CompletionRequest, EngineSettings
from dsassist_runtime.server.answer import Answer
from dsassist_runtime.server.error_answer import ModelNotServed, error_response
from dsassist_runtime.server.fields import parse_object
from dsassist_runtime.server.llama_answers import LlamaAnswer, LlamaStream, generation_settings, slots_of
from dsassist_runtime.server.llama_requests import (
    LlamaJob,
    completion_job,
    detokenize_request,
    infill_job,
    template_request,
    tokenize_request,
)
from dsassist_runtime.server.service import Service, final_event
from dsassist_runtime.server.serving import AnswerResponse
from dsassist_runtime.version import __version__
from dsassist_runtime.wire import to_wire

__all__ = ["routes"]


def routes(service: Service) -> list[Route]:
    """The endpoints."""

    def n_ctx() -> int:
        facts = service.supervisor.facts
        return facts["n_ctx"] if facts else 0

    def answered(request: Request, body: dict[str, Any], job: LlamaJob, op: str) -> ASGIApp:
        settings, name = _model_for(service, request, body)
        answer: Answer = LlamaStream(job, name, n_ctx) if job.stream else LlamaAnswer(job, name, n_ctx)
        parts = [service.run(request, settings, op, to_wire(one)) for one in job.requests]
        return AnswerResponse(service.activity, parts, answer)

    async def value(request: Request, body: dict[str, Any], op: str, wire: dict[str, Any]) -> Any:
        settings, _ = _model_for(service, request, body)
        with service.activity:
            return (await final_event(service.run(request, settings, op, wire)))["value"]

    async def infill(request: Request) -> ASGIApp:
        body = parse_object(await request.body())
        return answered(request, body, infill_job(body), "infill")

    async def completion(request: Request) -> ASGIApp:
        body = parse_object(await request.body())
        return answered(request, body, completion_job(body), "complete")

    async def tokenize(request: Request) -> Response:
        body = parse_object(await request.body())
        return JSONResponse({"tokens": await value(request, body, "tokenize", tokenize_request(body))})

    async def detokenize(request: Request) -> Response:
        body = parse_object(await request.body())
        return JSONResponse({"content": await value(request, body, "detokenize", detokenize_request(body))})

    async def apply_template(request: Request) -> Response:
        body = parse_object(await request.body())
        return JSONResponse({"prompt": await value(request, body, "template", to_wire(template_request(body)))})

    async def props(request: Request) -> Response:
        settings, name = service.model_for(request, dict(request.query_params))
        held = service.supervisor.settings
        # A question makes no model give way to the one that it names.
        may_load = held is None and request.query_params.get("autoload") != "false"
        if request.query_params.get("model") and settings != held and not may_load:
            return error_response(f"{name} is not loaded; ask it for a text first", HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse(_props(name, await service.facts(settings)))

    async def slots(_request: Request) -> Response:
        return JSONResponse(slots_of(await service.engine_status(), n_ctx()))

    return [
        Route("/infill", infill, methods=["POST"]),
        Route("/completion", completion, methods=["POST"]),
        Route("/completions", completion, methods=["POST"]),
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/detokenize", detokenize, methods=["POST"]),
        Route("/apply-template", apply_template, methods=["POST"]),
        Route("/props", props),
        Route("/slots", slots),
    ]


def _model_for(service: Service, request: Request, body: dict[str, Any]) -> tuple[EngineSettings, str]:
    """The server's own model also for a name that is not known here: llama.cpp's server takes no notice of it either.

    llama.vscode names its agent's model, by default one of Google's, in each request, whatever server it speaks to.
    """
    try:
        return service.model_for(request, body)
    except ModelNotServed:
        return service.model_for(request, {})


def _props(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    defaults = generation_settings(CompletionRequest(), facts["n_ctx"])
    return {
        "default_generation_settings": {
            "id": 0,
            "n_ctx": facts["n_ctx"],
            "speculative": False,
            "is_processing": False,
            "params": defaults,
        },
        "total_slots": 1,
        "model_alias": name,
        "model_path": Path(facts["path"]).name,  # where it lies is nobody's business
        "chat_template": facts["chat_template"],
        "bos_token": facts["bos_text"],
        "eos_token": facts["eos_text"],
        "modalities": {"vision": False, "audio": False},
        "build_info": f"dsassist-{__version__}",
        "is_sleeping": False,
    }
