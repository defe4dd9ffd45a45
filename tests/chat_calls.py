"""`ChatCompletion.create` and `acreate`, called in one way, as whole answers or lists of chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dsassist_runtime import ChatCompletion

MESSAGES = [{"role": "user", "content": "Say hello."}]
Ask = Callable[..., Any]


def create(**options: Any) -> Any:
    """The whole answer, or the list of chunks."""
    answer = ChatCompletion.create(**{"messages": MESSAGES, **options})
    return list(answer) if options.get("stream") else answer


def acreate(**options: Any) -> Any:
    async def ask() -> Any:
        answer: Any = await ChatCompletion.acreate(**{"messages": MESSAGES, **options})
        return [chunk async for chunk in answer] if options.get("stream") else answer

    return asyncio.run(ask())


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
