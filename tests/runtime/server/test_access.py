"""Who may ask over TCP, and what a connection may cost."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.server.listening import address_of, listen_on_tcp
from running_server import Served, serving, wait_for

pytestmark = pytest.mark.slow  # whole servers


@pytest.fixture(scope="module")
def guarded(builtin_model: Path) -> Iterator[Served]:
    """With a key, and with limits that a test can wait for."""
    # A quick machine has written 900 tokens within a second.
    limits = {"body_bytes": 1 << 20, "request_s": 1.0, "unread_s": 0.1}
    with serving(builtin_model, api_key="s3cret", limits=limits) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/models", "/props", "/metrics", "/slots", "/status", "/nothing"])
def test_without_the_key_nothing_is_told(guarded: Served, path: str) -> None:
    for header in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
        answer = guarded.ask("GET", path, headers=header)
        assert answer.status == 401
        assert answer.json["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_key_opens_and_the_unix_socket_needs_none(guarded: Served) -> None:
    assert guarded.ask("GET", "/v1/models").status == 200
    assert guarded.ask("GET", "/v1/models", headers={"Authorization": ""}, over="unix").status == 200


def test_whether_the_server_lives_anybody_may_ask_and_learns_no_more(guarded: Served) -> None:
    assert guarded.ask("GET", "/health", headers={"Authorization": ""}).json == {"status": "ok"}
    assert guarded.ask("GET", "/health", over="unix").json["pid"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234", "[::1]:80", "127.9.9.9"])
def test_without_a_key_loopback_by_its_names_is_served(served: Served, host: str) -> None:
    assert served.ask("GET", "/v1/models", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[::1", "127.0.0.1@x"])
def test_without_a_key_another_host_name_is_refused(served: Served, host: str) -> None:
    """DNS rebinding: a web page whose name was made to point to 127.0.0.1."""
    assert served.ask("GET", "/v1/models", headers={"Host": host}).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example"])
def test_without_a_key_a_foreign_page_is_refused(served: Served, origin: str) -> None:
    answer = served.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1}, headers={"Origin": origin})
    assert answer.status == 403
    assert served.ask("GET", "/v1/models", headers={"Origin": "http://localhost:3000"}).status == 200


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200)])
def test_without_a_key_what_a_foreign_page_has_fetched_without_an_origin_is_refused(
    served: Served, site: str, status: int
) -> None:
    assert served.ask("GET", "/v1/models", headers={"Sec-Fetch-Site": site}).status == status
    local = {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}
    assert served.ask("GET", "/v1/models", headers=local).status == 200


@pytest.mark.parametrize("path", ["/engine/infill", "/engine/facts", "/shutdown"])
def test_our_own_endpoints_are_not_there_over_tcp(served: Served, guarded: Served, path: str) -> None:
    assert served.ask("POST", path, {}).status == 404
    assert guarded.ask("POST", path, {}).status == 404
    assert served.process.poll() is None


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_beyond_loopback_a_key_is_needed(address: str) -> None:
    with pytest.raises(DsassistError, match="can be reached from other machines, and there is no API key; set one"):
        listen_on_tcp(address, has_key=False)


@pytest.mark.parametrize(
    "address", ["", "8080", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999", "a/b:1"]
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(DsassistError, match=r"name a host and a port, as in 127\.0\.0\.1:8080"):
        listen_on_tcp(address, has_key=True)


def test_a_host_that_no_name_can_be_is_told() -> None:
    with pytest.raises(DsassistError, match=r"cannot listen on 'a\.\.b:80': 'a\.\.b' is no name of a host"):
        listen_on_tcp("a..b:80", has_key=True)


def test_a_port_in_use_is_a_clear_error() -> None:
    with listen_on_tcp("localhost:0", has_key=False) as listener:
        taken = address_of(listener)
        with pytest.raises(NotDone, match=rf"cannot listen on {re.escape(taken)}: address already in use"):
            listen_on_tcp(taken, has_key=False)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_and_the_answer_arrives(guarded: Served, *, chunked: bool) -> None:
    data = b" " * (10 << 20)
    connection = guarded.connect()
    headers = {"Authorization": "Bearer s3cret"}
    if chunked:
        pieces = (data[i : i + 65536] for i in range(0, len(data), 65536))
        connection.request("POST", "/infill", pieces, headers, encode_chunked=True)
    else:
        connection.request("POST", "/infill", data, headers)
    response = connection.getresponse()
    assert response.status == 413
    assert "more than 1048576 bytes" in json.loads(response.read())["error"]["message"]
    connection.close()


HEAD = b"POST /infill HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"POST /infill HTT", HEAD % 99 + b"{"])
def test_a_request_that_never_ends_is_cut_off(guarded: Served, sent: bytes) -> None:
    with socket.create_connection(guarded.address) as stuck:
        stuck.sendall(sent)
        stuck.settimeout(20)
        assert received_until_closed(stuck) == b""


def test_a_request_that_trickles_in_is_cut_off(guarded: Served) -> None:
    with socket.create_connection(guarded.address) as trickle:
        with contextlib.suppress(OSError):
            for _ in range(200):
                trickle.sendall(b"G")
                time.sleep(0.05)
        trickle.settimeout(20)
        assert received_until_closed(trickle) == b""


def received_until_closed(connection: socket.socket) -> bytes:
    """A timeout, while the connection is still there, is an error."""
    received = b""
    try:
        while block := connection.recv(65536):
            received += block
    except ConnectionResetError:
        pass
    return received


def test_a_connection_that_waits_for_its_next_request_is_kept(guarded: Served) -> None:
    connection = guarded.connect()
    for _ in range(2):
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        time.sleep(1.5)
    connection.close()


def test_a_client_that_does_not_read_is_cut_off_and_frees_the_engine(guarded: Served) -> None:
    """What it is sent must be more than the system's buffers take."""
    body = {"prompt": "x = [1, ", "n_predict": 900, "ignore_eos": True, "stream": True, "n_probs": 100}
    data = json.dumps(body).encode()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(guarded.address)
        deaf.sendall((HEAD % len(data)).replace(b"/infill", b"/completion") + data)
        wait_for(lambda: guarded.status()["server"]["requests"] == 1)
        other = guarded.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 2}, headers={"x-request-id": "o"})
        assert other.status == 200
        wait_for(lambda: any(line["path"] == "/completion" for line in guarded.log_lines()), 60)
        (line,) = (line for line in guarded.log_lines() if line["path"] == "/completion")
        assert line["finish_reason"] == "disconnected"
        assert line["completion_tokens"] < 900
        assert not guarded.status()["engine"]["requests"]
