"""An address as the model: consent to send code there, the key, and what a person sees of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist import config, consent
from dsassist.cli import main
from dsassist.consent import ConsentMissing, check_consent
from dsassist.engine import open_engine
from dsassist.remote_key import KEYRING_SERVICE, find_api_key
from dsassist_runtime import places
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.errors import RemoteFailed
from dsassist_runtime.remote.address import parse_address
from remote_server import KEY, RemoteServer, error, reading_suffix, running, vllm

ELSEWHERE = "http://llm.invalid:8000"  # RFC 2606: no such host, ever
CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a file, as the working directory."""
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / "a.py").write_text("def add(a, b):\n    return \n")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteServer]:
    """A server on this machine that stands in the engine's place."""
    with running(vllm("qwen2.5-coder-7b", "a + b")) as server:
        monkeypatch.setenv("DSASSIST_MODEL", server.address)
        yield server


# -- consent


def test_nothing_is_sent_to_another_machine_without_consent(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", ELSEWHERE)
    assert main(["complete", "a.py:2:12"]) == 3
    said = capsys.readouterr().err
    assert f"the code in {repository} is not sent to {ELSEWHERE} without your consent" in said
    assert f"`dsassist config --allow-remote {ELSEWHERE}` there gives it" in said

    assert main(["config", "--allow-remote"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"the code in {repository} may be sent to {ELSEWHERE}\n"
    assert "over http:// whoever is on the way can read the code" in printed.err
    assert main(["complete", "a.py:2:12"]) == 3
    assert "there is no host llm.invalid" in capsys.readouterr().err

    assert main(["config", "--local-only"]) == 0
    assert capsys.readouterr().out == f"the code in {repository} is sent to {ELSEWHERE} no longer\n"
    assert main(["complete", "a.py:2:12"]) == 3
    assert "without your consent" in capsys.readouterr().err


def test_command_in_the_refusal_works_where_it_is_typed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    below = repository / "src" / "deep"
    below.mkdir(parents=True)
    with pytest.raises(ConsentMissing) as refused:
        check_consent(config.load(below).root, parse_address(ELSEWHERE))
    command = str(refused.value).split("`")[1].removeprefix("dsassist ").split()
    assert main(command) == 0
    check_consent(config.load(below).root, parse_address(ELSEWHERE))


@pytest.mark.parametrize(
    "other",
    ["https://llm.invalid:8000", "http://llm.invalid", "http://llm.invalid:8001", "http://other.llm.invalid:8000"],
)
def test_consent_is_for_one_scheme_host_and_port(repository: Path, other: str) -> None:
    consent.allow_remote(repository, parse_address(ELSEWHERE))
    assert consent.may_be_sent(repository, parse_address(f"{ELSEWHERE}/any/v1#model"))
    assert not consent.may_be_sent(repository, parse_address(other))


def test_consent_is_for_one_repository(repository: Path, tmp_path: Path) -> None:
    consent.allow_remote(repository, parse_address(ELSEWHERE))
    inner = repository / "vendored"
    (inner / ".git").mkdir(parents=True)
    for root in (tmp_path, inner, None):
        assert not consent.may_be_sent(root, parse_address(ELSEWHERE))
    assert config.load(inner).root == inner


def test_damaged_record_is_no_consent(repository: Path) -> None:
    consent.allow_remote(repository, parse_address(ELSEWHERE))
    for damage in ("{", "[]", json.dumps({str(repository): ELSEWHERE}), json.dumps({str(repository): [1]})):
        (places.state_dir() / "remote.json").write_text(damage)
        assert not consent.may_be_sent(repository, parse_address(ELSEWHERE))


def test_consent_that_is_taken_back_stops_an_engine_that_is_open(repository: Path) -> None:
    consent.allow_remote(repository, parse_address(ELSEWHERE))
    loaded = config.load(repository, {"model": ELSEWHERE})
    engine = open_engine(loaded)
    with pytest.raises(RemoteFailed, match="there is no host"):
        engine.infill(InfillRequest("x", ""))
    consent.keep_local(repository)
    with pytest.raises(ConsentMissing):
        engine.infill(InfillRequest("x", ""))
    engine.close()


def test_engine_of_no_known_repository_sends_nothing(repository: Path) -> None:
    consent.allow_remote(repository, parse_address(ELSEWHERE))
    loaded = replace(config.load(repository, {"model": ELSEWHERE}), root=None)
    with pytest.raises(ConsentMissing):
        open_engine(loaded).infill(InfillRequest("x", ""))


def test_address_in_a_repositorys_file_is_not_followed(
    repository: Path, capsys: pytest.CaptureFixture[str], remote: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSASSIST_MODEL")
    (repository / "dsassist.toml").write_text(f"model = '{remote.address}'\n")
    loaded = config.load(repository)
    assert loaded.config.model == "builtin"
    assert "not used without your consent" in loaded.notices[0]


def test_hook_lets_the_commit_pass_with_one_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", ELSEWHERE)
    (repository / "a.py").write_text(CLAMP)
    subprocess.run(["git", "add", "a.py"], cwd=repository, check=True)
    assert main(["hook", "pre-commit"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dsassist: not reviewed: the code in {repository} is not sent to {ELSEWHERE}")
    assert line.endswith("the commit goes on (--strict stops it)")


def test_configuration_tells_where_consent_is_missing(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", ELSEWHERE)
    assert main(["config"]) == 0
    printed = capsys.readouterr()
    assert f' = "{ELSEWHERE}"' in printed.out
    assert "`dsassist config --allow-remote" in printed.err


def test_allowing_without_an_address_says_how(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--allow-remote"]) == 2
    assert "builtin is no address; say which one: dsassist config --allow-remote ADDRESS" in capsys.readouterr().err
    assert main(["config", "--allow-remote", "http://localhost:8080"]) == 0
    assert "it needs no consent" in capsys.readouterr().err
    assert main(["config", "--local-only"]) == 0
    assert capsys.readouterr().out.endswith("was not sent anywhere\n")


# -- what a person sees


def test_completion_comes_from_the_address(
    repository: Path, remote: RemoteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["complete", "a.py:2:12"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "a + b\n"
    assert printed.err == ""  # no note on a test model
    assert main(["complete", "a.py:2:12", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["text"], figures["model"], figures["cached_tokens"]) == ("a + b", remote.address, 2)


def test_review_asks_the_address_for_scores(
    repository: Path, remote: RemoteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "a.py").write_text(CLAMP)
    assert main(["review", "a.py", "--fail-level", "never"]) == 0
    assert "1 function" in capsys.readouterr().err
    assert any(call.body.get("echo") for call in remote.calls if call.body)


def test_review_says_where_there_are_no_scores(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "a.py").write_text(CLAMP)
    with running(reading_suffix("qwen2.5-coder", "x", "library")) as server:
        monkeypatch.setenv("DSASSIST_MODEL", server.address)
        assert main(["review", "a.py"]) == 3
    assert "the review by likelihood cannot run there" in capsys.readouterr().err


def test_info_tells_what_stands_there(
    repository: Path, remote: RemoteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "info", remote.address]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name                  qwen2.5-coder-7b",
        "server                vLLM",
        "context               4096 tokens",
        "fill in the middle    the marks of qwen-coder in the prompt",
        "review by likelihood  an echoed prompt with logprobs",
    ]


def test_info_of_a_server_that_can_do_little(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(vllm("house-model", "x")) as server:
        server.routes["POST /v1/completions"] = lambda _call: error(400, "not here")
        assert main(["model", "info", server.address, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fill in the middle"].startswith("no: house-model at http")
    assert told["review by likelihood"].startswith("no: house-model at http")


def test_use_writes_the_address_and_tells_of_consent(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "use", f"{ELSEWHERE}#qwen2.5-coder"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{config.user_file()}: model = {ELSEWHERE}#qwen2.5-coder\n"
    assert f"`dsassist config --allow-remote {ELSEWHERE}` in it allows it" in printed.err
    assert config.load(repository).config.model == f"{ELSEWHERE}#qwen2.5-coder"


def test_there_is_nothing_to_serve_for_an_address(
    repository: Path, remote: RemoteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 2
    assert "is an address, so there is nothing to serve here" in capsys.readouterr().err


# -- the key


def test_key_comes_from_the_variable_that_the_option_names(
    repository: Path, remote: RemoteServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_ENGINE_REMOTE_KEY_VARIABLE", "TEAM_KEY")
    monkeypatch.setenv("TEAM_KEY", KEY)
    monkeypatch.setenv("DSASSIST_API_KEY", "another")
    assert main(["complete", "a.py:2:12"]) == 0
    assert remote.calls[-1].headers["authorization"] == f"Bearer {KEY}"
    assert "DSASSIST_API_KEY" not in capsys.readouterr().err  # no unknown variable


def test_key_comes_from_the_keyring_when_there_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring import backend, errors

    class InMemory(backend.KeyringBackend):  # type: ignore[misc,name-defined]
        priority = 1
        locked = False

        def __init__(self) -> None:
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            if self.locked:
                raise errors.KeyringLocked("the collection is locked")
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before, kept = keyring.get_keyring(), InMemory()
    address = parse_address("https://llm.invalid/v1#m")
    try:
        keyring.set_keyring(kept)
        assert find_api_key(address, "DSASSIST_API_KEY") is None
        keyring.set_password(KEYRING_SERVICE, "https://llm.invalid", KEY)
        assert find_api_key(address, "DSASSIST_API_KEY") == KEY
        assert find_api_key(parse_address("https://other.invalid"), "DSASSIST_API_KEY") is None
        monkeypatch.setenv("DSASSIST_API_KEY", "first")
        assert find_api_key(address, "DSASSIST_API_KEY") == "first"
        monkeypatch.delenv("DSASSIST_API_KEY")
        kept.locked = True
        with pytest.raises(RemoteFailed, match=r"the collection is locked\); set DSASSIST_API_KEY"):
            find_api_key(address, "DSASSIST_API_KEY")
        assert find_api_key(parse_address("http://localhost:1"), "DSASSIST_API_KEY") is None  # it is not asked
    finally:
        keyring.set_keyring(before)


def test_key_has_no_place_in_a_configuration_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "dsassist.toml").write_text("[engine]\napi_key = 'sk-1'\nremote_key_variable = 'HOME'\n")
    loaded = config.load(repository)
    assert loaded.config.engine.remote_key_variable == "DSASSIST_API_KEY"
    assert any("unknown option engine.api_key" in notice for notice in loaded.notices)
    assert any("sets engine.remote_key_variable" in notice for notice in loaded.notices)
