"""The reviewer's judgement, with a model whose opinions are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from dsassist.answers.scores import RememberingEngine
from dsassist.answers.store import AnswerStore
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.findings import Finding, Review
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.plan import Cut
from dsassist.review.reports import FORMATS, Report
from dsassist.review.reviewer import Judge, review
from dsassist.review.source import Source
from dsassist_runtime.api import EditScore, EngineSettings, ScoreRequest
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.errors import DeadlineExceeded, EngineDied, ModelMissing, NotDone, RequestRefused
from dsassist_runtime.testing import ScriptedEngine

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]
Prefers = Callable[[str, float], Scorer]

CLAMP = """\
import os


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""


ALL = frozenset(range(1, 2000))


def changes(*texts: str, lines: frozenset[int] = ALL) -> Changes:
    def pending(path: str, text: str) -> PendingFile:
        return PendingFile(path, lambda: ChangedFile(path, Source(text), lines))

    return Changes(tuple(pending(f"f{i}.py", text) for i, text in enumerate(texts)), ())


def tasks(text: str) -> list[Task | Skipped]:
    return list(tasks_of(ChangedFile("f0.py", Source(text), ALL)))


def reviewed(what: Changes, scorer: Scorer = lambda _: (), **options: object) -> Review:
    return reviewed_by(ScriptedEngine(score=scorer), what, **options)


def reviewed_by(engine: ScriptedEngine, what: Changes, **options: object) -> Review:
    settings = {"deadline_s": 60.0, "max_findings": 10} | options
    thresholds = settings.pop("thresholds", Thresholds(4.0))
    return review(what, lambda: Judge(engine, thresholds), **settings)  # type: ignore[arg-type]


class Clock:
    """A time that passes only when somebody says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_an_alternative_with_enough_evidence_is_a_finding(prefers: Prefers) -> None:
    found = reviewed(changes(CLAMP), prefers("value > high", 8.0))
    (finding,) = found.findings
    assert (finding.path, finding.line, finding.column, finding.end_column) == ("f0.py", 7, 28, 31)
    assert (finding.code, finding.severity, finding.original, finding.alternative) == (
        "DSA101",
        "warning",
        "low",
        "high",
    )
    assert finding.evidence_nats == 8.0
    assert finding.function == "clamp"
    assert (found.functions, found.files, found.skipped, found.failure) == (1, 1, (), "")


def test_too_little_evidence_is_silence(prefers: Prefers) -> None:
    assert reviewed(changes(CLAMP), prefers("value > high", 3.9)).findings == ()


def test_a_family_that_errs_less_often_needs_less_evidence(prefers: Prefers) -> None:
    text = "def f(a, b):\n    return g(a and b, b)\n"
    assert len(reviewed(changes(text), prefers("a or b", 3.5)).findings) == 1
    assert reviewed(changes(text), prefers("g(a and b, a)", 3.5)).findings == ()


def test_a_line_among_many_needs_more_evidence_than_one_alone(prefers: Prefers) -> None:
    assert reviewed(changes(CLAMP), prefers("value > high", 5.0)).findings == ()
    assert len(reviewed(changes(CLAMP, lines=frozenset({7})), prefers("value > high", 5.0)).findings) == 1


def test_only_changed_lines_are_asked_about(prefers: Prefers) -> None:
    assert reviewed(changes(CLAMP, lines=frozenset({5})), prefers("value > high", 50.0)).findings == ()
    assert len(reviewed(changes(CLAMP, lines=frozenset({7})), prefers("value > high", 50.0)).findings) == 1


def test_a_line_has_one_finding_the_strongest() -> None:
    def all_are_better(request: ScoreRequest) -> list[EditScore]:
        return [EditScore(e, (-1.0,), (-1.0,), (-90.0,), (-40.0 + i,)) for i, e in enumerate(request.edits)]

    found = reviewed(changes(CLAMP), all_are_better)
    lines = [finding.line for finding in found.findings]
    assert lines == sorted(set(lines))
    (task,) = tasks(CLAMP)
    assert isinstance(task, Task)
    assert found.findings[-1].evidence_nats == 50.0 + len(task.candidates) - 1


def test_the_strongest_findings_are_kept_and_told_in_the_order_of_their_places(prefers: Prefers) -> None:
    texts = [CLAMP.replace("clamp", f"clamp_{i}") for i in range(4)]

    def weighted(request: ScoreRequest) -> Sequence[EditScore]:
        nats = {"clamp_0": 9.0, "clamp_1": 12.0, "clamp_2": 10.0, "clamp_3": 11.0}
        return prefers("value > high", next(n for name, n in nats.items() if name in request.text))(request)

    found = reviewed(changes(*texts), weighted, max_findings=2)
    assert [(finding.path, finding.evidence_nats) for finding in found.findings] == [("f1.py", 12.0), ("f3.py", 11.0)]
    assert found.found == 4


def test_the_model_reads_the_head_of_the_file_and_of_the_class_before_the_function() -> None:
    engine = ScriptedEngine()
    text = '"""Doc."""\nimport os\n\nclass A(B):\n    def f(self, a, b):\n        return a < b\n'
    reviewed_by(engine, changes(text))
    (request,) = engine.requests
    assert isinstance(request, ScoreRequest)
    assert request.context == "import os\n\n\nclass A(B):\n"
    assert request.text == "    def f(self, a, b):\n        return a < b"


def test_a_long_function_is_read_in_pieces_and_every_line_is_asked_about() -> None:
    lines = [f"    if a_{i} < b_{i}:\n        print('padding to make the function long')\n" for i in range(200)]
    text = "def long(a, b):\n" + "".join(lines)
    engine = ScriptedEngine(score=lambda request: [EditScore(e, (-1.0,), (-9.0,), (), ()) for e in request.edits])
    (task,) = tasks(text)
    assert isinstance(task, Task)
    found = reviewed_by(engine, changes(text))
    requests = [request for request in engine.requests if isinstance(request, ScoreRequest)]
    assert len(requests) > 3
    assert all(len(request.text) <= 4000 and request.text in text for request in requests)
    asked = [request.text[edit.start : edit.end] for request in requests for edit in request.edits]
    assert asked == [text[c.edit.start : c.edit.end] for c in task.candidates]
    assert found.functions == 1


def test_a_model_with_a_short_context_is_asked_in_smaller_pieces() -> None:
    text = "def f(a, b):\n" + "".join(f"    print('{i}')\n    a += a < b\n" for i in range(80))
    sizes: list[int] = []

    def small_context(request: ScoreRequest) -> list[EditScore]:
        if len(request.text) > 1000:
            raise RequestRefused("too long")
        sizes.append(len(request.text))
        return [EditScore(edit, (-1.0,), (-1.0,), (-50.0,), (-1.0,)) for edit in request.edits]

    found = reviewed(changes(text), small_context, thresholds=Thresholds(1.0), max_findings=1000)
    assert len(found.findings) == 80
    assert max(sizes) <= 1000


def test_a_line_that_is_longer_than_a_piece_is_still_read() -> None:
    text = "def long(a, b):\n    x = [" + "1, " * 3000 + "a < b]\n    return a < b\n"
    engine = ScriptedEngine(score=lambda request: [EditScore(e, (-9.0,), (-1.0,), (), ()) for e in request.edits])
    found = reviewed_by(engine, changes(text), thresholds=Thresholds(1.0))
    assert [finding.line for finding in found.findings] == [2, 3]


def test_a_function_without_alternatives_needs_no_model() -> None:
    def must_not_open() -> Judge:
        raise AssertionError("there is nothing to ask")

    what = changes("def f():\n    return 1\n")
    assert review(what, must_not_open, deadline_s=60.0, max_findings=10).functions == 1


def test_a_function_that_does_not_parse_is_named() -> None:
    text = "def good(a, b):\n    return a < b\n\n\ndef bad(a, b):\n    return a < < b\n"
    found = reviewed(changes(text))
    assert found.functions == 1
    assert found.skipped == (Skipped("f0.py: bad", "syntax error"),)


def test_a_change_outside_functions_is_named() -> None:
    assert reviewed(changes("x = 1\n")).skipped == (Skipped("f0.py", "no function to review"),)


def test_a_function_that_only_a_program_can_have_written_is_named(prefers: Prefers) -> None:
    long = "def long(a, b):\n" + "    print(a < b)\n" * 7000
    found = reviewed(changes(f"{CLAMP}\n\n{long}"), prefers("value > high", 9.0))
    assert [finding.function for finding in found.findings] == ["clamp"]
    assert found.skipped == (Skipped("f0.py: long", "above 100,000 characters"),)


# -- what is nested deeper than anybody writes


def test_a_sum_of_a_thousand_terms_beside_a_function_does_not_hide_it(prefers: Prefers) -> None:
    text = f"total = {' + '.join(['term'] * 1200)}\n\n\n{CLAMP}"
    assert len(reviewed(changes(text), prefers("value > high", 9.0)).findings) == 1


@pytest.mark.parametrize("operator", [" or ", " + ", " < ", ".", " if a else "])
def test_a_deep_expression_in_a_function_is_named_and_the_others_are_reviewed(prefers: Prefers, operator: str) -> None:
    deep = f"def deep(a, b):\n    if {operator.join(['a'] * 1200)}:\n        return a\n    return b\n"
    found = reviewed(changes(f"{deep}\n\n{CLAMP}"), prefers("value > high", 9.0))
    assert [finding.function for finding in found.findings] == ["clamp"]
    assert found.skipped in ((), (Skipped("f0.py: deep", "too deeply nested"),))


def test_an_expression_of_two_hundred_terms_is_still_reviewed(prefers: Prefers) -> None:
    text = f"def f(a, b):\n    if {' or '.join(['a', 'b'] * 100)} or a < b:\n        return a\n    return b\n"
    assert len(reviewed(changes(text), prefers("a <= b", 20.0)).findings) == 1


def test_a_thousand_nested_calls_and_functions_are_no_end_of_the_review(prefers: Prefers) -> None:
    calls = f"def deep(f):\n    return {'f(' * 1200}{')' * 1200}\n"
    lists = f"x = {'[' * 1500}{']' * 1500}\n"
    found = reviewed(changes(calls + lists, lists + CLAMP), prefers("value > high", 9.0))
    assert [finding.path for finding in found.findings] == ["f1.py"]


# -- the deadline


def test_the_engine_is_given_the_time_that_remains() -> None:
    clock = Clock()

    def take_a_second(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        return []

    engine = ScriptedEngine(score=take_a_second)
    found = reviewed_by(engine, changes(*[CLAMP] * 5), deadline_s=3.0, started_s=-0.5, clock=clock)
    assert engine.timeouts_s == [2.5, 1.5, 0.5]
    assert found.functions == 3
    assert found.skipped == (Skipped("f3.py: clamp", "deadline"), Skipped("f4.py: clamp", "deadline"))


def test_each_piece_of_a_long_function_is_given_what_remains() -> None:
    clock = Clock()

    def take_a_second(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        return []

    text = "def long(a, b):\n" + "    if a < b:\n        print('padding to make it long')\n" * 300
    engine = ScriptedEngine(score=take_a_second)
    stale = _stale_name("f0.py", 1)
    found = reviewed_by(engine, changes(text), find_more=lambda _: [stale], deadline_s=3.0, clock=clock)
    assert engine.timeouts_s == [3.0, 2.0, 1.0]
    assert found.skipped == (Skipped("f0.py: long", "deadline"),)


def test_an_engine_that_exceeds_the_deadline_ends_the_review_with_what_it_has(prefers: Prefers) -> None:
    calls: list[int] = []

    def hang(request: ScoreRequest) -> Sequence[EditScore]:
        calls.append(1)
        if len(calls) == 2:
            raise DeadlineExceeded("no answer from the model")
        return prefers("value > high", 9.0)(request)

    found = reviewed(changes(CLAMP, CLAMP + CLAMP.replace("clamp", "other"), CLAMP), hang)
    assert (len(found.findings), found.functions, found.failure, len(calls)) == (1, 1, "", 2)
    assert found.skipped == (
        Skipped("f1.py: clamp", "deadline"),
        Skipped("f1.py: other", "deadline"),
        Skipped("f2.py: clamp", "deadline"),
    )


def test_files_are_read_and_alternatives_sought_against_the_same_clock() -> None:
    clock = Clock()

    def slow(path: str) -> PendingFile:
        def read_slowly() -> ChangedFile:
            clock.now_s += 0.3
            return ChangedFile(path, Source(CLAMP), ALL)

        return PendingFile(path, read_slowly)

    def take_a_second(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        return []

    what = Changes(tuple(slow(f"f{i}.py") for i in range(3)), ())
    found = reviewed_by(ScriptedEngine(score=take_a_second), what, deadline_s=1.5, clock=clock)
    assert found.functions == 1
    assert found.skipped == (Skipped("f1.py: clamp", "deadline"), Skipped("f2.py: clamp", "deadline"))


def test_a_file_that_it_is_too_late_for_is_named_whole() -> None:
    clock = Clock()

    def read_slowly() -> ChangedFile:
        clock.now_s += 9.0
        return ChangedFile("f0.py", Source(CLAMP), ALL)

    with pytest.raises(NotDone, match="no function was reviewed: deadline"):
        reviewed(Changes((PendingFile("f0.py", read_slowly),), ()), deadline_s=5.0, clock=clock)
    found = reviewed(
        Changes((PendingFile("f0.py", read_slowly), *changes(CONFLICT).pending), ()), deadline_s=5.0, clock=clock
    )
    assert Skipped("f0.py", "deadline") in found.skipped


def test_the_riskiest_function_is_reviewed_where_there_is_time_for_one() -> None:
    clock = Clock()

    def take_a_second(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        return []

    def file(path: str, text: str) -> PendingFile:
        return PendingFile(path, lambda: ChangedFile(path, Source(text), ALL))

    calm = "def calm(a, b):\n    return a < b\n"
    files = [file("test_f.py", CLAMP), file("calm.py", calm), file("f.py", CLAMP)]
    engine = ScriptedEngine(score=take_a_second)
    found = reviewed_by(engine, Changes(tuple(files), ()), deadline_s=1.0, clock=clock)
    assert "value > low" in engine.requests[0].text  # type: ignore[union-attr]
    assert [each.what for each in found.skipped] == ["test_f.py: clamp", "calm.py: calm"]


def test_what_the_deadline_cut_is_handed_on_in_its_order_and_the_report_says_so() -> None:
    clock = Clock()
    handed: list[str] = []

    def take_a_second(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        return []

    def go_on(cut: Sequence[Cut]) -> bool:
        handed.extend(each.file.path if each.task is None else each.task.name for each in cut)
        return True

    bigger = CLAMP + "    # one more\n    print(value < high)\n"
    what = changes(CLAMP, bigger, CLAMP)
    found = reviewed(what, take_a_second, deadline_s=1.0, clock=clock, go_on=go_on)
    assert handed == ["f0.py: clamp", "f2.py: clamp"]
    assert {each.reason for each in found.skipped} == {"deadline, goes on in the background"}
    with pytest.raises(NotDone, match="or try again soon: it goes on in the background"):
        reviewed(what, deadline_s=1.0, started_s=clock() - 1.0, clock=clock, go_on=go_on)
    assert handed[2:] == ["f0.py", "f1.py", "f2.py"]


def test_a_server_that_had_no_time_left_to_start_has_not_failed() -> None:
    clock = Clock()
    handed: list[int] = []

    def start_too_slowly(_: ScoreRequest) -> list[EditScore]:
        clock.now_s += 1.0
        raise EngineDied("the server did not come up within 0 s")

    def go_on(cut: Sequence[Cut]) -> bool:
        handed.append(len(cut))
        return True

    with pytest.raises(NotDone, match="it goes on in the background"):
        reviewed(changes(CLAMP, CLAMP), start_too_slowly, deadline_s=1.0, clock=clock, go_on=go_on)
    assert handed == [2]


def test_nothing_is_handed_on_that_the_deadline_did_not_cut() -> None:
    def must_not_go_on(_: Sequence[Cut]) -> bool:
        raise AssertionError("there is nothing left")

    assert reviewed(changes(CLAMP, "def f(:\n"), go_on=must_not_go_on).functions == 1


# -- what needs no model

CONFLICT = "<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n"


def test_the_passes_look_at_every_file_after_the_deadline_and_without_a_model() -> None:
    found = reviewed(changes(CLAMP, CONFLICT), deadline_s=1.0, started_s=-5.0, clock=Clock())
    assert [(each.path, each.code) for each in found.findings] == [("f1.py", "DSA002")]
    assert "no function was reviewed: deadline" in found.failure

    def refuse(_: ScoreRequest) -> list[EditScore]:
        raise ModelMissing("no such model")

    found = reviewed(changes(CLAMP, CONFLICT), refuse)
    assert ([each.code for each in found.findings], found.failure) == (["DSA002"], "no such model")


def test_a_model_that_cannot_be_opened_leaves_what_was_found_without_it() -> None:
    def must_fail() -> Judge:
        raise ModelMissing("no such model")

    found = review(changes(CLAMP, CONFLICT), must_fail, deadline_s=60.0, max_findings=10)
    assert ([each.code for each in found.findings], found.failure) == (["DSA002"], "no such model")


def test_what_is_certain_goes_before_what_is_likely(prefers: Prefers) -> None:
    found = reviewed(changes(CLAMP, CONFLICT), prefers("value > high", 40.0), max_findings=1)
    assert [each.code for each in found.findings] == ["DSA002"]
    assert found.found == 2


def test_a_secret_reaches_neither_the_model_nor_a_finding(prefers: Prefers) -> None:
    key = "AKIA|Q3EGRSDFG7WXMTPL".replace("|", "")
    engine = ScriptedEngine(score=prefers("value > high", 9.0))
    text = CLAMP.replace("import os", f"KEY = '{key}'").replace("value > low", f"value > low != '{key}'")
    found = reviewed_by(engine, changes(text))
    assert [each.code for each in found.findings] == ["DSA001", "DSA101", "DSA001"]
    assert key not in repr(found)
    assert key not in repr(engine.requests)
    assert found.findings[1].fix == ()


def test_an_ignored_and_a_baselined_finding_are_counted_and_not_reported(prefers: Prefers) -> None:
    scorer = prefers("value > high", 9.0)
    ignored = CLAMP.replace("value > low else value", "value > low else value  # dsassist: ignore[DSA101, DSA999]")
    found = reviewed(changes(ignored), scorer)
    assert (found.findings, found.found, found.suppressed, found.baselined) == ((), 0, 1, 0)
    assert found.unknown_codes == (Skipped("f0.py", "DSA999"),)
    (finding,) = reviewed(changes(CLAMP), scorer).findings
    assert len(finding.fingerprint) == 16
    found = reviewed(changes(CLAMP), scorer, baseline={finding.fingerprint})
    assert (found.findings, found.suppressed, found.baselined) == ((), 0, 1)


def _stale_name(path: str, files: int) -> Finding:
    return Finding(
        path=path,
        line=1,
        column=1,
        end_line=1,
        end_column=2,
        severity="warning",
        family="stale-name",
        function="",
        message=str(files),
        source_line="x",
    )


def test_what_is_found_in_all_files_together_is_reported_too() -> None:
    def find_more(files: Sequence[ChangedFile]) -> list[Finding]:
        return [_stale_name(path, len(files)) for path in ("f0.py", "other.py")]

    found = reviewed(changes(CLAMP), find_more=find_more, text_of=lambda path: "x  # dsassist: ignore\n")
    assert [(each.path, each.message) for each in found.findings] == [("f0.py", "1")]
    assert found.suppressed == 1
    gone = PendingFile("gone.py", lambda: ChangedFile("gone.py", Source(""), frozenset(), CLAMP))
    found = reviewed(replace(changes(CLAMP), deleted=(gone,)), find_more=find_more)
    assert [(each.path, each.message) for each in found.findings] == [("f0.py", "2"), ("other.py", "2")]


def test_a_search_through_all_files_that_fails_leaves_the_rest(prefers: Prefers) -> None:
    def fail(_: Sequence[ChangedFile]) -> list[Finding]:
        raise NotDone("git grep failed")

    found = reviewed(changes(CLAMP), prefers("value > high", 9.0), find_more=fail)
    assert [each.code for each in found.findings] == ["DSA101"]
    assert found.skipped == (Skipped("what the change left undone", "git grep failed"),)


@pytest.mark.parametrize("is_late_from_the_start", [True, False])
def test_nothing_reviewed_before_the_deadline_is_an_error(is_late_from_the_start: bool) -> None:
    def hang(_: ScoreRequest) -> list[EditScore]:
        raise DeadlineExceeded("no answer from the model")

    with pytest.raises(
        NotDone, match="no function was reviewed: deadline; give it more time with --deadline"
    ) as caught:
        reviewed(changes(CLAMP), hang, deadline_s=1.0, started_s=-1.0 if is_late_from_the_start else 0.0, clock=Clock())
    assert caught.value.exit_code == 3


def test_a_model_that_is_missing_is_the_error_when_nothing_was_reviewed() -> None:
    def refuse(_: ScoreRequest) -> list[EditScore]:
        raise ModelMissing("no such model")

    with pytest.raises(ModelMissing, match="no such model"):
        reviewed(changes(CLAMP, CLAMP), refuse)


def test_an_engine_that_dies_leaves_what_was_found_and_says_so(prefers: Prefers) -> None:
    calls: list[int] = []

    def die_later(request: ScoreRequest) -> Sequence[EditScore]:
        calls.append(1)
        if len(calls) == 2:
            raise EngineDied("the engine ended")
        return prefers("value > high", 9.0)(request)

    found = reviewed(changes(CLAMP, CLAMP, CLAMP), die_later)
    assert len(found.findings) == 1
    assert found.failure == "the engine ended"
    assert [skipped.what for skipped in found.skipped] == ["f1.py: clamp", "f2.py: clamp"]
    assert len(calls) == 2


def test_a_function_that_is_too_long_for_the_model_does_not_stop_the_others(prefers: Prefers) -> None:
    def refuse_one(request: ScoreRequest) -> Sequence[EditScore]:
        if "too_long" in request.text:
            raise RequestRefused("too long")
        return prefers("value > high", 9.0)(request)

    found = reviewed(changes(CLAMP.replace("clamp", "too_long"), CLAMP), refuse_one)
    assert [finding.path for finding in found.findings] == ["f1.py"]
    assert found.skipped == (Skipped("f0.py: too_long", "too long"),)


# -- the same findings each time


def _told(found: Review) -> str:
    return FORMATS["json"](Report(replace(found, seconds=0.0)))


def test_findings_are_the_same_to_the_byte_whatever_the_noise_the_order_and_the_store(tmp_path: Path) -> None:
    draw = Random(7)

    def noisy(request: ScoreRequest) -> list[EditScore]:
        """All alternatives of a line are equally good, but for noise; they come in any order."""
        found = []
        for edit in request.edits:
            noise = draw.uniform(-1e-3, 1e-3)
            found.append(EditScore(edit, (-1.0,), (-1.0 + noise,), (-20.0,), (-11.0 - 2 * noise,)))
        draw.shuffle(found)
        return found

    what = changes(CLAMP, CLAMP.replace("clamp", "other") + CLAMP)
    told = set()
    for number in range(20):
        store = AnswerStore(tmp_path / f"{number // 2}.db")  # every second run finds the answers of the one before
        engine = RememberingEngine(ScriptedEngine(score=noisy), store, "model")
        found = review(what, lambda engine=engine: Judge(engine, Thresholds(4.0)), deadline_s=60.0, max_findings=3)  # type: ignore[misc]
        store.close()
        assert found.found > 3, "some are cut, and which ones must not depend on noise"
        told.add(_told(found))
    assert len(told) == 1


def _scored(engine: LocalEngine, request: ScoreRequest) -> tuple[EditScore, ...]:
    (scores,) = engine.events(request)
    assert isinstance(scores, tuple)
    return scores


def test_a_real_model_finds_the_same_on_one_thread_and_on_two(builtin_model: Path, tmp_path: Path) -> None:
    what = changes(CLAMP, CLAMP.replace("clamp", "other") + CLAMP)
    told = set()
    for n_threads in (1, 2):
        with closing(LocalEngine(EngineSettings(builtin_model, n_threads=n_threads))) as local:
            engine = ScriptedEngine(score=partial(_scored, local))
            store = AnswerStore(tmp_path / f"{n_threads}.db")
            for asked in (engine, engine, RememberingEngine(engine, store, "m"), RememberingEngine(engine, store, "m")):
                judge = Judge(asked, Thresholds(1.0))
                found = review(what, lambda judge=judge: judge, deadline_s=60.0, max_findings=100)  # type: ignore[misc]
                assert found.functions == 3
                told.add(_told(found))
            store.close()
    assert len(told) == 1


def test_a_family_with_a_factor_needs_that_much_more(prefers: Prefers) -> None:
    scorer = prefers("value > high", 6.0)
    assert len(reviewed(changes(CLAMP), scorer).findings) == 1
    assert reviewed(changes(CLAMP), scorer, thresholds=Thresholds(4.0, {"name": 2.0})).findings == ()
    assert len(reviewed(changes(CLAMP), scorer, thresholds=Thresholds(4.0, {"attribute": 2.0})).findings) == 1
