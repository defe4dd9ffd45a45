"""Limits of memory as options: what is taken, and what the server is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.config import ConfigError, load
from dsassist.engine import engine_settings
from dsassist.options import OPTIONS
from dsassist.sizes import bytes_of, limit_bytes


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("6G", 6 * 10**9), ("6GiB", 6 << 30), ("0", 0), ("1.5 mib", 3 << 19), ("512MB", 512 * 10**6)]
)
def test_size_is_decimal_unless_it_says_otherwise(text: str, n_bytes: int) -> None:
    assert bytes_of(text) == limit_bytes(text) == n_bytes
    assert OPTIONS["engine.ram"].parse(text) == text


def test_automatic_is_no_limit() -> None:
    assert limit_bytes("auto") is None
    assert OPTIONS["engine.vram"].default == "auto"


@pytest.mark.parametrize("text", ["6", "G", "-1G", "lots", "1e9", "Auto"])
def test_what_is_no_size_is_refused_with_what_is_allowed(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match='a size such as "6G" or "512M", or "auto"'):
        OPTIONS["engine.ram"].parse(text)
    with pytest.raises(ConfigError, match=r"DSASSIST_ENGINE_RAM.*a size such as"):
        load(tmp_path, environ={"DSASSIST_ENGINE_RAM": text})


def test_server_is_told_the_limits(tmp_path: Path) -> None:
    settings = engine_settings(load(tmp_path, {"engine.plan": "off", "engine.ram": "4G", "engine.vram": "0"}))
    assert (settings.plan, settings.ram_bytes, settings.vram_bytes) == ("off", 4 * 10**9, 0)
    settings = engine_settings(load(tmp_path))
    assert (settings.plan, settings.ram_bytes, settings.vram_bytes) == ("auto", None, None)
