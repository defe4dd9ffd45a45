"""Both arms on real processes with the builtin model: what they do, not how fast.

Our server understands what llama.vim sends, so it stands in for llama-server here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from dsassist.bench.engine.client import Address
from dsassist.bench.engine.servers import Server, our_server
from dsassist.bench.typing.cold import ColdFile, cold_files, first_text_ms
from dsassist.bench.typing.llama_vim import LlamaVimArm
from dsassist.bench.typing.our_server import evaluated_and_written, our_editor, our_home, work_of
from dsassist.bench.typing.ours import OurArm
from dsassist.bench.typing.person import Screen, replay
from dsassist.bench.typing.run import Sizes, TypingBench, run_typing_bench
from dsassist.bench.typing.timeline import Ghost, Timeline
from dsassist.bench.typing.trace import Document, Edit, Kind, Trace, trace_of
from dsassist.git import run_git
from dsassist_runtime.errors import DsassistError, NotDone

BEFORE = "import os\n\n\ndef first(a, b):\n    return a\n\n\ndef last(values):\n    return values[-1]\n"
AFTER = BEFORE.replace("return a\n", "return a + b\n")
LONG = BEFORE + "".join(f"\n\ndef number_{n}(value):\n    return value + {n}\n" for n in range(16))

pytestmark = pytest.mark.slow


class Foreseeing:
    """An arm that shows what the person is about to type; `at` says behind which edits, by their index."""

    def __init__(self, trace: Trace, texts: dict[int, Ghost]) -> None:
        self.screen = Screen(Timeline())
        self._trace = trace
        self._texts = texts
        self.is_busy = False

    async def open(self, document: Document) -> None:
        pass

    async def edited(self, kind: Kind, edit: Edit, document: Document, left: Ghost | None) -> None:
        index = self._trace.passes.get((document.text, document.cursor), -1)
        self.screen.show(self._texts.get(index, left), document, goes_on=index not in self._texts)

    async def moved(self, document: Document) -> None:
        self.screen.show(None, document)

    async def accepted(self, edit: Edit, document: Document, ghost: Ghost) -> None:
        self.screen.show(None, document)

    def check(self) -> None:
        pass


def quick(before: str, after: str) -> Trace:
    """A trace with half a second between keys, so that a text on the screen can be read."""
    edits = trace_of("t", "a.py", before, after, seed=1).edits
    slow = [Edit(0.4 * (n + 1), *list(vars(edit).values())[1:]) for n, edit in enumerate(edits)]
    return Trace("t", "a.py", before, after, tuple(slow))


@pytest.mark.parametrize(
    ("text", "seed", "taken"),
    [("+ b", 2, "+ b"), ("+ b\n    else", 2, "+ b"), ("- b", 2, ""), ("+ b", 6, "")],
    ids=["whole", "first line", "not what comes next", "overlooked"],
)
def test_a_text_is_taken_whole_or_its_first_line_if_it_is_what_comes_next(text: str, seed: int, taken: str) -> None:
    trace = quick(BEFORE, AFTER)

    async def main() -> Foreseeing:
        arm = Foreseeing(trace, {1: Ghost(text)})
        assert (await replay(trace, arm, seed=seed, last_look_s=0.0)).text == AFTER
        return arm

    arm = asyncio.run(main())
    kinds = [key.kind for key in arm.screen.timeline.keystrokes]
    assert ("accept" in kinds) == bool(taken)
    assert arm.screen.timeline.n_accepted == len(taken)


def test_the_language_servers_arm_types_the_trace_and_gets_every_answer(builtin_model: Path, tmp_path: Path) -> None:
    trace = trace_of("t", "a.py", BEFORE, AFTER, seed=1)
    (tmp_path / "a.py").write_text(BEFORE)

    async def main() -> tuple[str, Timeline]:
        from datetime import datetime, timezone
        from time import perf_counter

        timeline = Timeline()
        async with (
            our_home(builtin_model) as (server, environment),
            our_editor(server, environment, tmp_path) as client,
        ):
            before, start = evaluated_and_written(await server.settle()), server.log_size()
            since, at = datetime.now(timezone.utc), perf_counter()
            arm = OurArm(client, tmp_path / "a.py", timeline)
            text = (await replay(trace, arm, seed=1)).text
            await arm.close()
            after = evaluated_and_written(await server.settle())
            timeline.work = work_of(server.requests(start), (after[0] - before[0], after[1] - before[1]), since, at)
        assert await server.status() is None, "the server has left"
        return text, timeline

    text, timeline = asyncio.run(main())
    assert text == AFTER
    assert timeline.n_unanswered == timeline.n_stale == 0
    assert sum(timeline.evaluated(with_idle=True)) > 0


def test_the_end_of_the_language_server_is_told_in_a_sentence(builtin_model: Path, tmp_path: Path) -> None:
    trace = quick(BEFORE, AFTER)

    async def main() -> None:
        async with (
            our_home(builtin_model) as (server, environment),
            our_editor(server, environment, tmp_path) as client,
        ):
            arm = OurArm(client, tmp_path / "a.py", Timeline())
            os.kill(client.pid, signal.SIGKILL)
            await replay(trace, arm, seed=1)

    with pytest.raises(NotDone, match=r"dsassist lsp has ended in the middle of the bench"):
        asyncio.run(main())


def test_llama_vims_arm_asks_once_at_a_time_shows_from_its_cache_and_asks_ahead(builtin_model: Path) -> None:
    after = LONG.replace("return a\n", "return a if a else b\n")
    trace = trace_of("t", "a.py", LONG, after, seed=1)

    async def main() -> tuple[str, Timeline]:
        timeline = Timeline()
        async with our_server(builtin_model) as server:
            arm = LlamaVimArm(server, "a.py", timeline, seed=1)
            try:
                text = (await replay(trace, arm, seed=1)).text
            finally:
                await arm.close()
            await server.wait_until_idle()
        return text, timeline

    text, timeline = asyncio.run(main())
    assert text == after
    asked = [work.what for work in timeline.work]
    assert {"key", "ahead", "ring"} == set(asked)
    assert asked.count("key") <= len(timeline.edits)
    assert all(work.idle == (work.what == "ring") for work in timeline.work)
    assert timeline.n_unanswered == 0
    assert timeline.screen


def test_a_llama_server_that_has_gone_is_told_in_a_sentence(builtin_model: Path) -> None:
    async def main() -> None:
        async with our_server(builtin_model) as server:
            gone = server
        arm = LlamaVimArm(gone, "a.py", Timeline(), seed=1)
        try:
            await replay(quick(BEFORE, AFTER), arm, seed=1)
        finally:
            await arm.close()

    with pytest.raises(NotDone, match=r"no server answers on port"):
        asyncio.run(main())


def test_what_the_peer_refuses_is_counted_and_the_typing_goes_on() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 31\r\n\r\n{"error":{"message":"too long"}}')
        writer.close()

    async def main() -> Timeline:
        timeline = Timeline()
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            arm = LlamaVimArm(Server("peer", "llama-server", Address(port), os.getpid()), "a.py", timeline, seed=1)
            assert (await replay(quick(BEFORE, AFTER), arm, seed=1)).text == AFTER
            await arm.close()
        return timeline

    timeline = asyncio.run(main())
    assert timeline.n_refused > 0
    assert timeline.n_unanswered == 0
    assert not timeline.screen


def test_fresh_files_have_a_thousand_lines_and_a_place_within_a_line_of_code() -> None:
    for file in cold_files(8):
        assert file.text.count("\n") > 600
        assert file.text[: file.cursor].rpartition("\n")[2].strip()
        assert file.text[file.cursor] == "\n"
        assert len(file.key) == 1


def test_a_fresh_file_in_which_nothing_is_shown_is_none() -> None:
    async def main() -> float | None:
        file = ColdFile("a.py", "x\n", 1, "y")
        return await first_text_ms(Foreseeing(Trace("t", "a.py", "x\n", "", ()), {}), file)

    assert asyncio.run(main()) is None


@pytest.mark.slow
def test_the_bench_reports_our_arm_and_the_layouts_and_writes_all_that_happened(
    builtin_model: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    run_git(["init", "-q"], root)
    for text in (LONG, LONG.replace("return a\n", "return a if a else b + 1\n")):
        (root / "a.py").write_text(text)
        run_git(["add", "."], root)
        run_git(["commit", "-q", "-m", "change"], root)
    details = tmp_path / "details.jsonl"
    sizes = Sizes(traces=1, least_new=5, most_new=60, cold_files=1, repeats=1)
    said: list[str] = []
    report = run_typing_bench(TypingBench(builtin_model, (root,), sizes=sizes, details=details), {}, said.append)
    names = [figure.name for figure in report.figures]
    assert "evaluated again per keystroke, mean, dsassist" in names
    assert "evaluated again per request, p95, layout of Continue" in names
    assert not [name for name in names if "llama.vim" in name]
    assert "what is compared with llama.vim: give llama-server's program with --peer" in report.left_out
    events = {json.loads(line)["event"] for line in details.read_text().splitlines()}
    assert {"trace", "edit", "key"} <= events
    assert said[0] == "round 1 of 1: dsassist"


def test_a_peer_that_is_no_program_is_refused_before_anything_is_measured(builtin_model: Path, tmp_path: Path) -> None:
    bench = TypingBench(builtin_model, (Path.cwd(),), peer=tmp_path / "nothing")
    with pytest.raises(DsassistError, match=r"--peer .*nothing is no program that can be run"):
        run_typing_bench(bench, {}, lambda _name: None)
