"""The engine at an address: finds out once what stands there and how it is asked, then fills in and scores.

What a server is can be seen from its list of models (`owned_by`) and from llama-server's `/props`; how the middle is
filled in there, from the server and the model's name, or from the option that forces it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dsassist_runtime.api import EditScore, InfillRequest, ModelFacts, ScoreRequest, TextStream
from dsassist_runtime.errors import ModelUnsupported, RemoteFailed, RequestRefused
from dsassist_runtime.remote.address import Address
from dsassist_runtime.remote.connection import Server
from dsassist_runtime.remote.failures import NotThere
from dsassist_runtime.remote.families import FAMILIES, family_of
from dsassist_runtime.remote.infill import CompletionForm, InfillForm, LlamaInfill, clipped
from dsassist_runtime.remote.scoring import Scorer, find_scorer, score_edits
from dsassist_runtime.remote.stream import RemoteTextStream

__all__ = ["RemoteEngine", "RemoteFim"]

RemoteFim = Literal["auto", "suffix", "prompt"]

_PROBE_S = 10.0  # for what needs no model
_OWNERS = {"llamacpp": "llama-server", "vllm": "vLLM", "sglang": "SGLang", "library": "Ollama", "dsassist": "dsassist"}
_LLAMA_CPP = ("llama-server", "dsassist")
_KNOW_TOP_K = (*_LLAMA_CPP, "vLLM", "SGLang", "llama-cpp-python")
_TEST_SUFFIX = "    return total\n" * 8


@dataclass(frozen=True)
class _Standing:
    """What stands at the address; `kind` is empty for a server that does not say, `n_ctx` 0 where that is unknown."""

    kind: str
    model: str
    n_ctx: int


class RemoteEngine:
    """Implements `api.Engine` by asking a server elsewhere. Safe from any thread; nothing is asked before it is needed.

    What is asked for beyond OpenAI's protocol (`gap_tokens`, `speculate`, `priority`) are hints that get lost.
    """

    def __init__(
        self,
        address: Address,
        *,
        fim: RemoteFim = "auto",
        timeout_s: float = 60.0,
        api_key: Callable[[], str | None] = lambda: None,
        check_consent: Callable[[], None] = lambda: None,
    ) -> None:
        """`check_consent` is called before any code is sent, and raises where that is not allowed."""
        self._address = address
        self._fim = fim
        self._check_consent = check_consent
        self._server = Server(address, api_key, timeout_s)
        self._lock = threading.Lock()
        self._standing: _Standing | None = None
        self._form: InfillForm | None = None
        self._scorer: Scorer | None = None

    def facts(self) -> ModelFacts:
        """What the server tells of its model; `path` is the host, for there is no file."""
        standing = self._look()
        family = family_of(standing.model)
        return ModelFacts(
            name=standing.model,
            path=Path(self._address.host),
            architecture=family.name if family else "",
            n_ctx=standing.n_ctx,
            n_experts=0,
            n_experts_used=0,
            fim_orders=(family.order,) if family else (),
            has_chat_template=False,
        )

    @property
    def server_kind(self) -> str:
        """What serves there: "llama-server", "vLLM", ...; empty when it does not say."""
        return self._look().kind

    def infill_form(self) -> str:
        """In words, how the middle is filled in there; `ModelUnsupported` when it cannot be."""
        return self._infill_form().name

    def infill(self, request: InfillRequest) -> TextStream:
        """Fill in the middle, streamed; errors come here or while the text is read."""
        self._check_consent()
        _refuse_what_cannot_be_had(request, self._address.origin)
        form = self._infill_form()
        prefix, suffix, extra = clipped(request, self._look().n_ctx)
        fitting = replace(request, prefix=prefix, suffix=suffix, extra=extra)
        if request.begun:  # the server knows nothing of it
            fitting = replace(fitting, prefix=prefix + request.prompt + request.begun, prompt="", begun="")
        exchange = self._server.exchange("POST", form.url, form.body(fitting))
        return RemoteTextStream(exchange, form, fitting, self._address.origin)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Evaluate edits of a text, best ranked first; `DeadlineExceeded` after `timeout_s`.

        `RemoteFailed` where the server gives no log-probabilities of a text that it did not write.
        """
        self._check_consent()
        if request.suffix is not None:
            raise ModelUnsupported(f"{self._address.origin} gives no log-probabilities of a text between two others")
        started = time.monotonic()
        scorer = self._find_scorer(timeout_s)
        left_s = None if timeout_s is None else timeout_s - (time.monotonic() - started)
        return score_edits(scorer, request, left_s)

    def score_form(self) -> str:
        """In words, where log-probabilities come from there; `RemoteFailed` when there are none to be had."""
        return self._find_scorer(None).name

    def close(self) -> None:
        """Give up the connections."""
        self._server.close()

    def _look(self) -> _Standing:
        with self._lock:
            if self._standing is None:
                self._standing = _look_at(self._server)
            return self._standing

    def _find_scorer(self, timeout_s: float | None) -> Scorer:
        standing = self._look()
        with self._lock:
            if self._scorer is None:
                self._scorer = find_scorer(self._server, standing.model, timeout_s)
            return self._scorer

    def _infill_form(self) -> InfillForm:
        standing = self._look()
        with self._lock:
            if self._form is None:
                self._form = _choose_form(self._server, standing, self._fim)
            return self._form


def _look_at(server: Server) -> _Standing:
    """Ask for the list of models, which may be missing where the address names one, and llama-server for more."""
    address = server.address
    try:
        listed = _listed_models(server.json("GET", address.models, timeout_s=_PROBE_S))
    except NotThere:
        if not address.model:
            raise
        listed = []
    entry = next((each for each in listed if each["id"] == address.model), listed[0] if listed else {})
    model = address.model or entry.get("id", "")
    if not model:
        raise RemoteFailed(f"{address.origin} lists no model; name one in the address, behind #")
    if address.is_deepseek:
        return _Standing("DeepSeek", model, 0)
    kind = _OWNERS.get(str(entry.get("owned_by", "")), "")
    n_ctx = entry.get("max_model_len") if entry.get("id") == model else None
    properties = _json_or_none(server, "GET", f"{address.root}/props") if kind in ("", *_LLAMA_CPP) else None
    if isinstance(properties, dict) and isinstance(settings := properties.get("default_generation_settings"), dict):
        kind, n_ctx = kind or "llama-server", settings.get("n_ctx")
    elif not kind and _json_or_none(server, "GET", f"{address.root}/api/version") is not None:
        kind = "Ollama"  # a model of somebody's own is listed as owned by them
    elif not kind and entry.get("owned_by") == "me":
        kind = "llama-cpp-python"
    return _Standing(kind, model, n_ctx if isinstance(n_ctx, int) else 0)


def _listed_models(answer: Any) -> list[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    data = data if isinstance(data, list) else []
    return [each for each in data if isinstance(each, dict) and isinstance(each.get("id"), str)]


def _json_or_none(
    server: Server, method: str, url: str, body: object = None, timeout_s: float | None = _PROBE_S
) -> Any:
    """The answer to a question that a server may not understand; None is for the server's own longest silence."""
    try:
        return server.json(method, url, body, timeout_s)
    except (NotThere, RequestRefused):
        return None


def _choose_form(server: Server, standing: _Standing, fim: RemoteFim) -> InfillForm:
    """How the middle is asked for. A server's own way goes before marks in the prompt, where it is known to work.

    Ollama puts a prompt into the model's chat template, marks and all; llama-cpp-python takes token 0 for all marks of
    a `suffix`; SGLang leaves a `suffix` out without a word: hence the order, and the question in `_reads_suffix`.
    """
    address = server.address
    family = family_of(standing.model)
    with_marks = CompletionForm(address.completions, standing.model, family, standing.kind in _KNOW_TOP_K)
    with_suffix = replace(with_marks, family=None)
    if fim == "suffix":
        return with_suffix
    if fim == "prompt":
        if family is None:
            raise _no_family(standing, server, "engine.remote_fim asks for its marks in the prompt")
        return with_marks
    if standing.kind in ("DeepSeek", "Ollama"):
        return with_suffix
    if standing.kind in _LLAMA_CPP:
        infill = LlamaInfill(f"{address.root}/infill", standing.model)
        probe = InfillRequest("total = ", "\n", max_tokens=1)
        answer = _json_or_none(server, "POST", infill.url, {**infill.body(probe), "stream": False}, None)
        if isinstance(answer, dict) and "content" in answer:
            return infill
    if family is not None:
        return with_marks
    if _reads_suffix(server, with_suffix):
        return with_suffix
    raise _no_family(standing, server, "the server does not read a suffix")


def _reads_suffix(server: Server, form: CompletionForm) -> bool:
    """Whether the prompt grows by a suffix, as the server counts it."""
    counts = []
    for suffix in ("\n", _TEST_SUFFIX):
        body = form.body(InfillRequest("total = ", suffix, max_tokens=1)) | {"stream": False}
        del body["stream_options"]
        answer = _json_or_none(server, "POST", form.url, body, None)
        if not isinstance(answer, dict) or not answer.get("choices"):
            return False
        usage = answer.get("usage")
        counts.append(usage.get("prompt_tokens") if isinstance(usage, dict) else None)
    first, second = counts
    # A server that counts nothing gets the benefit of the doubt.
    return not isinstance(first, int) or not isinstance(second, int) or second >= first + 8


def _no_family(standing: _Standing, server: Server, why: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"{standing.model} at {server.address.origin} cannot complete code: {why}, and the model is of no family whose "
        f"marks are known ({', '.join(family.name for family in FAMILIES)})"
    )


def _refuse_what_cannot_be_had(request: InfillRequest, origin: str) -> None:
    if request.trace_experts:
        raise ModelUnsupported(f"{origin} does not tell which experts it uses; that can be seen of local models only")
    wishes = {
        "n": request.n != 1,
        "logprobs": bool(request.logprobs),  # the chosen tokens' alone may be missing: a text is none the worse
        "grammar": bool(request.sampling.grammar),
        "json_schema": request.sampling.json_schema is not None,
        "logit_bias": bool(request.sampling.logit_bias),
    }
    if wished := [name for name, is_set in wishes.items() if is_set]:
        raise RequestRefused(f"{', '.join(wished)} cannot be had of a model at an address when filling in")
