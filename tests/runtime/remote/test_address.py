"""What an address says, and which ones are refused."""

from __future__ import annotations

import pytest

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.remote.address import parse_address


@pytest.mark.parametrize(
    ("text", "base", "root"),
    [
        ("http://host:8080", "http://host:8080/v1", "http://host:8080"),
        ("http://host:8080/", "http://host:8080/v1", "http://host:8080"),
        ("http://host:8080/v1/", "http://host:8080/v1", "http://host:8080"),
        ("https://llm.example/team/v1", "https://llm.example/team/v1", "https://llm.example/team"),
        ("https://llm.example/openai", "https://llm.example/openai", "https://llm.example/openai"),
        ("HTTP://Host", "http://host/v1", "http://host"),
        ("http://[::1]:8080", "http://[::1]:8080/v1", "http://[::1]:8080"),
    ],
)
def test_api_lies_below_v1_unless_a_path_is_given(text: str, base: str, root: str) -> None:
    address = parse_address(text)
    assert (address.base, address.root) == (base, root)
    assert (address.completions, address.models) == (f"{base}/completions", f"{base}/models")


def test_model_stands_behind_the_number_sign() -> None:
    assert parse_address("http://host#Qwen/Qwen2.5-Coder-7B").model == "Qwen/Qwen2.5-Coder-7B"
    assert parse_address("http://host/v1#a%20b").model == "a b"
    assert parse_address("http://host").model == ""


def test_origin_has_no_port_that_goes_without_saying() -> None:
    assert parse_address("https://llm.example:443/v1").origin == "https://llm.example"
    assert parse_address("http://llm.example:443").origin == "http://llm.example:443"
    assert parse_address("http://LLM.example.").origin == "http://llm.example"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
def test_loopback_is_this_machine(host: str) -> None:
    assert parse_address(f"http://{host}:1").is_loopback


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "[fe80::1]", "127.0.0.1.example", "0.0.0.0"])
def test_nothing_else_is_this_machine(host: str) -> None:
    assert not parse_address(f"http://{host}:1").is_loopback


def test_deepseeks_own_api_has_completions_below_beta() -> None:
    address = parse_address("https://api.deepseek.com#deepseek-chat")
    assert address.completions == "https://api.deepseek.com/beta/completions"
    assert address.models == "https://api.deepseek.com/models"
    assert parse_address("https://api.deepseek.com/beta").completions == "https://api.deepseek.com/beta/completions"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://host", "must begin with http:// or https://"),
        ("unix://socket", "must begin with http:// or https://"),
        ("http://", "names no host"),
        ("http://host:99999", "ort"),
        ("http://host/v1?key=1", "has no meaning here"),
        ("http://[::1", "nvalid IPv6"),
        ("http://a..b", "a part of its host's name is empty or too long"),
        (f"http://{'a' * 64}.b", "a part of its host's name is empty or too long"),
    ],
)
def test_other_addresses_are_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(DsassistError, match=r"is no address that can be used: ") as refused:
        parse_address(text)
    assert said in str(refused.value)


def test_key_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(DsassistError) as refused:
        parse_address("https://me:sk-secret@host/v1")
    assert "DSASSIST_API_KEY" in str(refused.value)
    assert "sk-secret" not in str(refused.value)
