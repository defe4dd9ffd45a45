"""What `model = "http(s)://..."` says: where a server is, and which of its models is meant.

http://gpu.example:8000                     the first model of the server, its API below /v1
https://llm.example/team/v1#qwen2.5-coder   a path is taken as it is; the model's name stands behind the #
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from dsassist_runtime.errors import DsassistError

__all__ = ["Address", "parse_address"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_LABEL = 63  # RFC 1035
_DEEPSEEK = "https://api.deepseek.com"


@dataclass(frozen=True)
class Address:
    """A server's address; `model` is empty where its first one is meant."""

    origin: str  # scheme, host and port, as consent is given to: "https://llm.example", "http://[::1]:8080"
    base: str  # what OpenAI's paths follow: "https://llm.example/v1"
    host: str
    model: str

    @property
    def root(self) -> str:
        """What a server's own paths follow, such as llama-server's `/props`."""
        return self.base.removesuffix("/v1")

    @property
    def completions(self) -> str:
        """Where completions are asked for. DeepSeek's API has those with a `suffix` below /beta."""
        beta = self.is_deepseek and self.base == f"{_DEEPSEEK}/v1"
        return f"{_DEEPSEEK}/beta/completions" if beta else f"{self.base}/completions"

    @property
    def models(self) -> str:
        """Where the server lists its models."""
        return f"{_DEEPSEEK}/models" if self.is_deepseek else f"{self.base}/models"

    @property
    def is_deepseek(self) -> bool:
        """Whether this is DeepSeek's own API."""
        return self.origin == _DEEPSEEK

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.origin.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Read an address; `DsassistError` in one sentence when it is none that can be used."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused(text, str(error)) from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refused(text, "it must begin with http:// or https://")
    if not host:
        raise _refused(text, "it names no host")
    if ":" not in host and not all(0 < len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split(".")):
        raise _refused(text, "a part of its host's name is empty or too long")
    if parts.username is not None or parts.password is not None:
        raise _refused(
            f"{parts.scheme}://...@{host}",
            "a key does not belong into an address; set DSASSIST_API_KEY, or keep it in the keyring",
        )
    if parts.query:
        raise _refused(text, "what stands behind ? has no meaning here; a model's name stands behind #")
    netloc = f"[{host}]" if ":" in host else host
    if port not in (None, _DEFAULT_PORTS[parts.scheme]):
        netloc += f":{port}"
    origin = f"{parts.scheme}://{netloc}"
    return Address(origin, origin + (parts.path.rstrip("/") or "/v1"), host, unquote(parts.fragment))


def _refused(text: str, reason: str) -> DsassistError:
    return DsassistError(f"model = {text!r} is no address that can be used: {reason}")
