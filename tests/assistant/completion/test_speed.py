"""The speed at which prompts are read: what it begins with, how it is measured, and that it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.completion.plan import budget_of
from dsassist.completion.speed import Speed, guessed_speed, keep_speed, kept_speed, speed_key, speeds_path
from dsassist.options import EngineConfig
from dsassist_runtime.api import GenerationEnd

BYTES_05B, BYTES_15B, BYTES_16B_MOE = 491_400_064, 1_117_320_768, 10_400_000_000


def read(n_tokens: int, speed: float, cached: int = 0) -> GenerationEnd:
    ms = 1000 * n_tokens / speed
    return GenerationEnd("stop", n_tokens + cached, cached, 0, 9 * ms, 9 * ms, prompt_ms=ms)


def test_a_guess_follows_the_size_of_the_model() -> None:
    """It was 150 tokens a second whatever the model, so a first prompt of the 1.5B took twice the time that it may."""
    guesses = [guessed_speed(size) for size in (13_299_104, BYTES_05B, BYTES_15B, BYTES_16B_MOE)]
    assert guesses == sorted(guesses, reverse=True)
    assert guesses[1] == 150
    assert 50 <= guesses[2] <= 80
    assert all(speed > 0 for speed in (*guesses, guessed_speed(0)))
    assert budget_of(guesses[2], 1024).first < budget_of(guesses[1], 1024).first


def test_the_first_prompt_that_is_read_takes_the_place_of_the_guess_and_later_ones_of_a_part() -> None:
    speed = Speed(150.0)
    speed.saw(read(200, 40.0, cached=50))
    assert speed.prefill_tokens_per_s == pytest.approx(40.0)
    speed.saw(read(200, 140.0))
    assert speed.prefill_tokens_per_s == pytest.approx(70.0)


def test_few_tokens_tell_nothing() -> None:
    speed = Speed(150.0)
    speed.saw(read(10, 1.0, cached=500))
    assert (speed.prefill_tokens_per_s, speed.is_measured) == (150.0, False)


def test_what_was_measured_before_is_kept_when_it_changes() -> None:
    kept: list[float] = []
    speed = Speed(100.0, True, kept.append, 100.0)
    speed.saw(read(200, 105.0))
    assert kept == []
    speed.saw(read(200, 300.0))
    assert kept == [speed.prefill_tokens_per_s]
    guess: list[float] = []
    Speed(100.0, keep=guess.append).saw(read(200, 100.0))
    assert guess == [100.0]


def test_what_is_known_by_the_wait_for_the_text_alone_is_not_kept() -> None:
    """A model that was loaded meanwhile looked slow, and the next session began with that."""
    kept: list[float] = []
    speed = Speed(100.0, keep=kept.append)
    speed.saw(GenerationEnd("cancelled", 200, 0, 3, 20_000.0, 20_000.0))
    assert speed.prefill_tokens_per_s < 100.0
    assert kept == []


def test_a_speed_is_kept_for_each_model_and_way_to_hold_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    for path in (one, other):
        path.write_bytes(b"GGUF")
    keys = [speed_key(one, EngineConfig()), speed_key(other, EngineConfig()), speed_key(one, EngineConfig(n_threads=7))]
    assert len(set(keys)) == 3
    for number, key in enumerate(keys):
        assert kept_speed(key) is None
        keep_speed(key, 10.0 + number)
    assert [kept_speed(key) for key in keys] == [10.0, 11.0, 12.0]
    one.write_bytes(b"GGUF, of another size")
    assert kept_speed(speed_key(one, EngineConfig())) is None
    assert [path.name for path in speeds_path().parent.iterdir()] == ["speeds.json"]


def test_the_file_does_not_grow_for_ever() -> None:
    for number in range(200):
        keep_speed(f"model {number}", 5.0)
    assert kept_speed("model 199") == 5.0
    assert kept_speed("model 3") is None
    assert len(speeds_path().read_bytes()) < 10_000


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a": "fast"}', b'{"a": -1}', b'{"a": 1e999}', b"\xff\xfe"])
def test_a_damaged_file_is_as_none_and_is_replaced(damage: bytes) -> None:
    speeds_path().parent.mkdir(parents=True)
    speeds_path().write_bytes(damage)
    assert kept_speed("a") is None
    keep_speed("a", 33.0)
    assert kept_speed("a") == 33.0


def test_where_nothing_can_be_written_nothing_is_said() -> None:
    speeds_path().parent.write_text("a file in the place of the folder")
    keep_speed("a", 33.0)
    assert kept_speed("a") is None
