"""The two places that models come from, on this machine: a server that speaks the hub's HTTP, and a package index."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "a" * 40


class Hub:
    """A hub with one file per path, that redirects to a storage server of another origin as the real one does.

    `breaks` has for each coming download the number of bytes after which the connection is cut (-1: never);
    `gate`, while it is set to an Event, holds every download after its first `gate_bytes` until the event is set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.paths: list[str] = []
        self.breaks: list[int] = []
        self.ignores_range = False
        self.status = 200
        self.stated_sha256: str | None = None
        self.gate: threading.Event | None = None
        self.gate_bytes = 1 << 16
        self.at_gate = threading.Event()
        self.url = ""
        self.storage_url = ""

    def put(self, repository: str, file: str, content: bytes) -> None:
        """Publish a file."""
        self.files[f"/{repository}/resolve/{{}}/{file}"] = content

    def downloads(self) -> list[dict[str, str]]:
        """The headers of every download that the storage was asked for."""
        return [headers for server, method, headers in self.requests if (server, method) == ("storage", "GET")]

    def content(self, path: str) -> bytes | None:
        """The file that a resolve address means, whatever its revision."""
        parts = path.split("/")
        key = "/".join([*parts[:4], "{}", *parts[5:]]) if len(parts) > 5 else ""
        return self.files.get(key)


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A hub that runs for the `with` block."""
    hub = Hub()
    with _server(_hub_handler(hub)) as hub.url, _server(_storage_handler(hub)) as hub.storage_url:
        yield hub
        if hub.gate:
            hub.gate.set()


@contextmanager
def _server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _hub_handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_HEAD(self) -> None:
            hub.requests.append(("hub", self.command, dict(self.headers.items())))
            hub.paths.append(self.path)
            content = hub.content(self.path)
            if hub.status != 200 or content is None:
                self.send_response(hub.status if hub.status != 200 else 404)
                if hub.status == 200:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            digest = hashlib.sha256(content).hexdigest()
            self.send_response(302)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Etag", f'"{hub.stated_sha256 or digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Location", hub.storage_url + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()

    return Handler


def _storage_handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            hub.requests.append(("storage", self.command, dict(self.headers.items())))
            content = hub.content(self.path) or b""
            start = 0
            if (wanted := self.headers.get("Range")) and not hub.ignores_range:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut = hub.breaks.pop(0) if hub.breaks else -1
            try:
                self._send(content[start:], cut)
            except OSError:  # the client was killed
                self.close_connection = True

        def _send(self, rest: bytes, cut: int) -> None:
            if hub.gate is not None:
                self.wfile.write(rest[: hub.gate_bytes])
                self.wfile.flush()
                hub.at_gate.set()
                hub.gate.wait(30)
                rest = rest[hub.gate_bytes :]
            self.wfile.write(rest if cut < 0 else rest[:cut])
            if cut >= 0:
                self.close_connection = True

    return Handler


def write_index(folder: Path, slices: dict[str, bytes]) -> str:
    """A package index with a wheel per pin (`name==version`), each holding the slice as `data.bin`; its address."""
    for pin, content in slices.items():
        name, version = pin.split("==")
        stem = f"{name.replace('-', '_')}-{version}"
        project = folder / "simple" / name
        project.mkdir(parents=True, exist_ok=True)
        wheel = project / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name.replace('-', '_')}/data.bin", content)
            archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            archive.writestr(
                f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{stem}.dist-info/RECORD", "")
        (project / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>\n')
    return (folder / "simple").as_uri() + "/"


def entry_fields(content: bytes, **changes: Any) -> dict[str, Any]:
    """A catalogue entry for `content` as JSON has it."""
    return {
        "name": "tiny",
        "title": "Tiny",
        "note": "for a test",
        "repository": "acme/tiny-GGUF",
        "file": "tiny-q8_0.gguf",
        "revision": None,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "MIT",
        "architecture": "qwen2",
        "experts": 0,
        "parameters_b": 0.1,
        "active_parameters_b": 0.1,
        "fim": "psm",
        "chat": False,
        "memory_gb": 0.2,
        "index": None,
        **changes,
    }


def write_catalogue(path: Path, *entries: dict[str, Any]) -> Path:
    """A catalogue file with these entries."""
    path.write_text(json.dumps({"models": list(entries)}))
    return path
