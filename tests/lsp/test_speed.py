"""What a session measured of the model's speed is what the next one begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.completion.speed import guessed_speed, speeds_path
from dsassist.config import load
from dsassist_lsp.engines import open_configured_engine
from dsassist_runtime.api import GenerationEnd
from lsp.client import wait_for


def test_the_next_session_begins_with_the_speed_that_this_one_measured(
    tmp_path: Path, builtin_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", str(builtin_model))
    loaded = load(tmp_path)
    first = open_configured_engine(loaded, lambda _share: None)
    assert first.speed.prefill_tokens_per_s == guessed_speed(builtin_model.stat().st_size)
    first.speed.saw(GenerationEnd("stop", 500, 0, 0, 10_000.0, 10_000.0, prompt_ms=10_000.0))
    wait_for(speeds_path().is_file)
    assert open_configured_engine(loaded, lambda _share: None).speed.prefill_tokens_per_s == 50.0


def test_a_model_at_an_address_has_no_file_to_guess_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", "http://127.0.0.1:9/v1")
    opened = open_configured_engine(load(tmp_path), lambda _share: None)
    assert opened.speed.prefill_tokens_per_s == 150.0
    opened.speed.saw(GenerationEnd("stop", 500, 0, 0, 10_000.0, 10_000.0))
    assert not speeds_path().exists()
