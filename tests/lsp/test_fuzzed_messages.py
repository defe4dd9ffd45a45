"""Whatever a client sends, and in whatever order: the server lives, and each request has one answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lsp.client import LIMIT_S, ProcessClient
from lsp.fuzz_server import CALM
from lsp.fuzzing import FuzzedEditor

CAPABILITIES = {
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]}},
    "textDocument": {"inlineCompletion": {}},
}
RAW = [b"{", b"[]", b"[1]", b"null", b'"x"', b"1e999", b"\xff\xfe", b'{"a": 1}', b'{"jsonrpc": "2.0"}', b"[" * 3000]
ANSWERS: dict[str, list[Any]] = {
    "window/workDoneProgress/create": [{"result": None}, {"error": {"code": 1, "message": "no"}}],
    "window/showDocument": [{"result": {"success": True}}, {"result": {"success": False}}],
    "workspace/applyEdit": [{"result": {"applied": True}}, {"result": {"applied": False}}, {"result": 5}],
}


CANCELLED, INVALID_PARAMS, METHOD_NOT_FOUND = -32800, -32602, -32601


class FuzzedClient(ProcessClient):
    """Counts the answers to each id, and answers what the server asks as it comes."""

    def __init__(self, cwd: Path, seed: int) -> None:
        self.n_answers: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()  # of errors
        self.items: list[Any] = []
        self.editor = FuzzedEditor(seed, cwd, lambda: self.items)
        super().__init__(cwd, [sys.executable, "-m", "lsp.fuzz_server", str(seed)])

    def send_raw(self, body: bytes) -> None:
        self._to_server.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._to_server.flush()

    def fuzz(self, n_messages: int) -> None:
        """Send so many messages; now and then the latest answers are waited for, as a person does."""
        draw = self.editor.draw
        for _ in range(n_messages):
            if draw.random() < 0.01:
                self.send_raw(draw.choice(RAW))
                continue
            message = self.editor.message()
            self.send(**message)
            self.shown()
            if "id" in message and "method" in message and draw.random() < 0.05:
                self.wait_answered(message["id"])

    def wait_answered(self, id_: int | str) -> None:
        key = json.dumps(id_)
        self._wait(lambda: self.n_answers[key] >= self.editor.asked[key], f"an answer to {key}", LIMIT_S)

    def wait_all_answered(self) -> None:
        def missing() -> set[str]:
            return {id_ for id_, n in self.editor.asked.items() if self.n_answers[id_] < n}

        try:
            self._wait(lambda: not missing(), "the last answer", LIMIT_S)
        except AssertionError as error:
            raise AssertionError(f"no answer to {missing()}") from error

    def figures(self) -> dict[str, int]:
        found = self.ask("test/figures")
        assert isinstance(found, dict)
        return found

    def tracebacks(self) -> list[str]:
        """What the log holds of errors of ours; one error of the script is such, and meant to be."""
        return [line for line in self.logged() if "Traceback" in line and "the engine is broken" not in line]

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if "method" not in message:
            self.n_answers[json.dumps(message["id"])] += 1
            self.answers[message["id"]] = message
            if "error" in message:
                self.codes[message["error"]["code"]] += 1
            if isinstance(result := message.get("result"), list):
                self.items += [item for item in result if "insertText" in item]
        elif "id" in message:
            self.send(id=message["id"], **self.editor.draw.choice(ANSWERS[message["method"]]))
        else:
            self.notifications.append((message["method"], message["params"]))


@pytest.mark.parametrize(
    ("seed", "n_messages"),
    [(4, 800), pytest.param(2, 10_000, marks=pytest.mark.slow), pytest.param(3, 3_000, marks=pytest.mark.slow)],
)
def test_whatever_is_sent_the_server_lives_and_each_request_is_answered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, n_messages: int
) -> None:
    monkeypatch.delenv("DSASSIST_COMPLETION_CONTEXT")  # with an index
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text("def scale(a):\n    return a * 2\n")
    client = FuzzedClient(tmp_path, seed)
    try:
        client.initialize(CAPABILITIES, root=tmp_path)
        client.fuzz(n_messages // 3)
        client.wait_all_answered()
        before = client.figures()
        client.fuzz(n_messages - n_messages // 3)
        client.wait_all_answered()
        client.notify("workspace/didChangeConfiguration", {"settings": {}})
        client.ask("workspace/executeCommand", {"command": "dsassist.unsnooze"})
        uri = (tmp_path / "calm.py").as_uri()
        client.open(f"{CALM}\nx = ", uri)
        assert [item["insertText"] for item in client.inline(1, 4, uri)] == ["1"]
        after = client.figures()
        assert client.leave() == 0
        assert client.has_ended()
        assert client.tracebacks() == []
        # Else nothing was tried: offers came, and some requests were cancelled under way or could not be read.
        assert client.items
        assert {CANCELLED, INVALID_PARAMS, METHOD_NOT_FOUND} <= set(client.codes)
        extra = {id_: n for id_, n in client.n_answers.items() if n != client.editor.asked.get(id_, n)}
        assert not extra
        assert client.stderr() == ""
        assert after["threads"] <= before["threads"] + 8
        assert after["tasks"] <= before["tasks"] + 8
        assert after["futures"] <= before["futures"] + 8
        assert after["peak"] <= 1.5 * before["peak"]
    finally:
        client.close()
