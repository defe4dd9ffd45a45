"""Bugs put into functions that are younger than the model, and the figures of those who look for them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random

import pytest

from dsassist.bench.handwritten import parses
from dsassist.bench.history import History
from dsassist.bench.report import Report
from dsassist.bench.review import ruff
from dsassist.bench.review.alarms import NOTHING, fitted_threshold, thresholds_for
from dsassist.bench.review.cases import Case, cases_of
from dsassist.bench.review.injected import InjectedBench, measure_injected
from dsassist.bench.review.injected_figures import bars_of
from dsassist.bench.review.injection import draw_bug
from dsassist.bench.review.prose import ask_in_prose
from dsassist.bench.review.sources import Alternatives, enumerated, further, measured
from dsassist.bench.review.young import YoungFunction, young_functions
from dsassist.options import ReviewConfig
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile
from dsassist.review.likelihood.evidence import MEASURED
from dsassist.review.source import Source
from dsassist.review.suspects import suspects_of
from dsassist_runtime.api import (
    ChatRequest,
    Edit,
    EditScore,
    ModelFacts,
    ScoreRequest,
    TextPiece,
    TokenLogprob,
    TopLogprob,
)
from dsassist_runtime.errors import NotDone, RequestRefused
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream
from fim_repository import ACCOUNT, bank_repository, commit, sh

SINCE = date(2025, 1, 1)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bank_repository(tmp_path / "bank")


def young_in(root: Path) -> list[YoungFunction]:
    return list(young_functions(History(root), "bank", SINCE, Random(1)))


def cases(root: Path, n_cases: int = 6, seed: int = 1) -> list[Case]:
    return cases_of([young_functions(History(root), "bank", SINCE, Random(seed))], n_cases, seed)


def test_only_functions_that_were_not_there_before_the_day_are_young(repository: Path) -> None:
    found = young_in(repository)
    assert {young.function.name for young in found} == {"Account.withdraw"}
    assert sorted(young.path for young in found) == [f"bank/account{n}.py" for n in range(6)]


@pytest.mark.parametrize("path", ["tests/account9.py", "vendor/account9.py", "account_pb2.py"])
def test_functions_of_tests_and_of_files_that_nobody_wrote_are_left_out(repository: Path, path: str) -> None:
    text = (repository / "bank/account0.py").read_text().replace("withdraw", "give").replace("remaining", "rest")
    commit(repository, {path: text.replace("balance", "money")})
    assert path not in {young.path for young in young_in(repository)}


def test_a_function_that_was_only_moved_or_touched_up_is_not_young(repository: Path) -> None:
    touched = ACCOUNT.replace("amount <= 0", "amount < 1").replace("class Account", "class Purse")
    commit(repository, {"bank/purse.py": touched})
    assert "bank/purse.py" not in {young.path for young in young_in(repository)}


def test_an_injected_bug_is_one_change_that_parses_and_can_be_taken_back(repository: Path) -> None:
    found = cases(repository)
    assert len(found) == 6
    for case in found:
        text = case.young.function.text
        edit, repair = case.bug.edit, case.bug.repair
        wrong = text[: edit.start] + edit.replacement + text[edit.end :]
        assert wrong != text
        assert wrong[: repair.start] + repair.replacement + wrong[repair.end :] == text
        assert case.buggy.task.function.text == wrong
        assert case.unchanged.task.function.text == text
        assert parses("python", case.bug.source_text)
        assert case.bug.lines <= case.buggy.function_lines


def test_the_same_seed_puts_in_the_same_bugs_and_another_one_others(repository: Path) -> None:
    def edits(seed: int) -> dict[str, Edit]:
        return {case.young.path: case.bug.edit for case in cases(repository, seed=seed)}

    assert edits(3) == edits(3)
    assert edits(3) != edits(4)


def test_a_bug_that_lacks_a_word_takes_it_out(tmp_path: Path) -> None:
    """The reviewer's own alternatives put `await` in: before another call, which is no bug that people write."""
    sh(tmp_path, "init", "--quiet")
    body = "".join(f"    reader.feed({n}, 'some text for the line', {n})\n" for n in range(4))
    text = f"async def read(reader):\n{body}    await reader.drain()\n    return reader\n"
    commit(tmp_path, {"reading.py": text})
    (young,) = young_in(tmp_path)
    families = {}
    for number in range(60):
        bug = draw_bug(young, Random(number))
        assert bug is not None
        families[bug.family] = bug
    bug = families["missing-await"]
    assert "    reader.drain()\n" in bug.source_text
    assert bug.edit.replacement == ""


def test_bugs_of_further_families_are_put_in_where_those_are_asked_about(repository: Path) -> None:
    def families(alternatives: Alternatives) -> set[str]:
        veins = [young_functions(History(repository), "bank", SINCE, Random(1))]
        return {case.bug.family for case in cases_of(veins, 6, 1, alternatives)}

    assert families(measured) <= MEASURED
    assert families(further).isdisjoint(MEASURED)


def test_what_the_second_measure_refuses_is_above_no_threshold() -> None:
    text = "def clamp(value, low, high):\n    return high if value > low else value\n"

    def refuse(_request: ScoreRequest) -> list[EditScore]:
        raise RequestRefused("the model holds fewer tokens")

    def prefer(request: ScoreRequest) -> list[EditScore]:
        return [EditScore(edit, (-1.0,), (-1.0,), (-20.0,), (-12.0,)) for edit in request.edits]

    find = enumerated(ScriptedEngine(score=prefer, between=refuse))
    (found,) = find(ChangedFile("clamp.py", Source(text), frozenset({1, 2}), language="python"))
    assert (found.strength, found.finding.evidence_nats) == (0.0, 8.0)


def test_thresholds_let_through_at_most_the_share_that_is_allowed() -> None:
    strengths = [float(number) for number in range(200)]
    threshold = fitted_threshold(strengths, 0.01)
    assert sum(strength > threshold for strength in strengths) == 2
    assert fitted_threshold([NOTHING] * 200, 0.01) == NOTHING
    assert fitted_threshold([5.0] * 200, 0.01) == 5.0
    assert fitted_threshold([], 0.01) == float("inf")


def test_a_threshold_is_never_fitted_on_the_project_that_it_is_used_on() -> None:
    groups, strengths = ["one"] * 100 + ["other"] * 100, [1.0] * 100 + [9.0] * 100
    assert set(thresholds_for(groups, strengths, 0.01)[:100]) == {9.0}
    assert set(thresholds_for(groups, strengths, 0.01)[100:]) == {1.0}
    assert set(thresholds_for(groups, strengths, 0.01, fit=[4.0] * 100)) == {4.0}


def test_bars_are_those_of_the_models_file() -> None:
    assert bars_of("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf").preference == 88.0
    assert bars_of("Qwen2.5-Coder-1.5B-Instruct.gguf").right_line == (45.0, 60.0)
    assert bars_of("builtin.gguf").auroc is None


def test_ruffs_messages_count_by_what_they_say_and_not_by_where() -> None:
    before = [(3, "F401", "unused a"), (9, "F821", "undefined b")]
    after = [(4, "F401", "unused a"), (9, "F821", "undefined b"), (12, "F821", "undefined b")]
    assert ruff.new_lines(before, after) == [12]


def test_ruff_sees_a_name_that_is_not_there() -> None:
    program = ruff.find_ruff()
    assert program is not None, "ruff comes with what the tests need"
    text = "def f(name):  # noqa\n    return {}\n"
    before, after = (ruff.messages(program, text.format(word)) for word in ("name", "nam"))
    assert ruff.new_lines(before, after) == [2]


@pytest.fixture
def repositories(tmp_path: Path) -> tuple[Path, Path]:
    one = bank_repository(tmp_path / "bank")
    other = tmp_path / "purse"
    other.mkdir()
    sh(other, "init", "--quiet")
    text = (one / "bank/account0.py").read_text().partition("    def withdraw")[2]
    for number in range(3):
        words = text.replace("balance", f"money_{number}").replace("remaining_0", "rest")
        commit(other, {f"purse{number}.py": f"class Purse:\n    def take{number}{words.rstrip()}\n"})
    return one, other


Score = Callable[[ScoreRequest], list[EditScore]]


def knows(texts: list[str]) -> Score:
    """What gives one of these texts is likely, and of a line that is in none of them every token is unlikely."""
    lines = {line.strip() for text in texts for line in text.split("\n")}

    def score(request: ScoreRequest) -> list[EditScore]:
        return list(_scores(request))

    def _scores(request: ScoreRequest) -> Iterator[EditScore]:
        for edit in request.edits[: request.max_rescored] if request.suffix_tokens == 0 else request.edits:
            other = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
            written = -0.1 if request.text[edit.start : edit.end].strip() in lines else -6.0
            if request.suffix_tokens:
                written = -3.0
            offered = -0.1 if other in texts else -6.0
            fits = offered > -1
            yield EditScore(edit, (written,), (offered,), (-9.0 if fits else -1.0,), (-1.0 if fits else -9.0,))

    return score


def bench(roots: tuple[Path, ...], engine: ScriptedEngine, **options: object) -> tuple[Report, list[dict[str, object]]]:
    details = io.StringIO()
    given = InjectedBench(roots, **{"n_functions": 9, **options})  # type: ignore[arg-type]
    report = measure_injected(given, engine, "scripted", {"load": [0.0]}, details, lambda _: None)
    return report, [json.loads(line) for line in details.getvalue().splitlines()]


def texts_in(roots: tuple[Path, ...]) -> list[str]:
    return [young.function.text for root in roots for young in young_in(root)]


def test_who_knows_all_functions_finds_all_bugs_and_raises_no_alarm(repositories: tuple[Path, Path]) -> None:
    report, lines = bench(repositories, ScriptedEngine(score=knows(texts_in(repositories))))
    figures = {figure.name: figure.value for figure in report.figures}
    assert report.settings["functions"] == len(lines) == 9
    assert figures["original preferred to the bug"] == 100.0
    can_be_found = [line["has_repair"] for line in lines]
    found = 100.0 * sum(map(bool, can_be_found)) / len(lines)
    assert found > 50.0
    assert figures["what was written is among the alternatives"] == pytest.approx(found)
    for arm, expected in (("whole function", found), ("line alone", found), ("highest surprise", 100.0)):
        assert figures[f"right line at 1% alarms by quantile, {arm}"] == pytest.approx(expected)
        assert figures[f"alarms on unchanged functions at 1% alarms by quantile, {arm}"] == 0.0
        assert figures[f"AUROC, {arm}"] >= expected / 100.0
    assert figures["alarms on unchanged functions at 1% alarms, whole function"] == 0.0
    assert figures["right line at 1% alarms, whole function"] == pytest.approx(found)
    assert "right line at 1% alarms, highest surprise" not in figures, "a review has no rule for it"
    assert 0.0 < figures["right line among the top 1, random line"] < 50.0
    assert all(figure.bar is None for figure in report.figures)
    assert {line["family"] for line in lines} & {"name", "comparison", "swapped-arguments", "attribute"}


def test_without_lines_alone_the_rest_is_the_same_for_fewer_questions(repositories: tuple[Path, Path]) -> None:
    def figures_and_questions(**options: object) -> tuple[dict[str, float], int]:
        questions: list[ScoreRequest] = []
        score = knows(texts_in(repositories))
        engine = ScriptedEngine(score=lambda request: (questions.append(request), score(request))[1])
        report, _ = bench(repositories, engine, baselines=False, **options)
        assert any("--whole-only" in reason for reason in report.left_out) == bool(options)
        return {figure.name: figure.value for figure in report.figures}, len(questions)

    both, n_both = figures_and_questions()
    whole, n_whole = figures_and_questions(line_alone=False)
    assert n_whole < n_both
    assert whole.items() < both.items()
    assert {name for name in both if name not in whole} == {name for name in both if "line alone" in name}


def test_who_sees_no_difference_finds_nothing_at_an_alarm_rate(repositories: tuple[Path, Path]) -> None:
    def alike(request: ScoreRequest) -> list[EditScore]:
        return [EditScore(edit, (-1.0,), (-1.0,), (), ()) for edit in request.edits]

    report, _ = bench(repositories, ScriptedEngine(score=alike), baselines=False)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["original preferred to the bug"] == 0.0
    assert figures["right line at 1% alarms by quantile, line alone"] == 0.0
    assert figures["right line at 1% alarms, line alone"] == 0.0
    assert not [name for name in figures if "surprise" in name or "ruff" in name]
    assert [reason for reason in report.left_out if "--no-baselines" in reason]


NATS = {"purse": 2.6, "bank": 4.0}


def louder_in_a_bank(request: ScoreRequest) -> list[EditScore]:
    """One alternative of each function is likelier than what is written, and in a bank the more so."""
    nats = NATS["bank" if "remaining_" in request.text else "purse"]
    gains = [nats if number == 0 else -9.0 for number in range(len(request.edits))]
    edits = zip(request.edits, gains, strict=True)
    return [EditScore(edit, (-1.0,), (-1.0,), (-20.0,), (-20.0 + gain,)) for edit, gain in edits]


def test_the_headline_has_the_rule_of_the_product_and_not_the_quantile(repositories: tuple[Path, Path]) -> None:
    """Three functions of a quieter project tell little: the quantile takes them at their word, the rule does not."""
    engine = ScriptedEngine(score=louder_in_a_bank)
    report, lines = bench(repositories[:1], engine, fit=repositories[1:], baselines=False)
    figures = {figure.name: figure.value for figure in report.figures}
    for budget in ("1%", "5%"):
        assert figures[f"alarms on unchanged functions at {budget} alarms by quantile, whole function"] == 100.0
        assert figures[f"alarms on unchanged functions at {budget} alarms, whole function"] == 0.0
        assert figures[f"threshold at {budget} alarms"] == ReviewConfig().threshold_nats
    assert [isinstance(line["reached"], dict) for line in lines] == [True] * 9


def test_what_a_review_would_show_is_what_counts_by_the_rule(
    repositories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same functions, reviewed with the threshold that the report names."""
    monkeypatch.setitem(NATS, "bank", 12.0)
    engine = ScriptedEngine(score=louder_in_a_bank)
    report, _ = bench(repositories[:1], engine, fit=repositories[1:], baselines=False)
    figures = {figure.name: figure.value for figure in report.figures}
    needed = Thresholds(figures["threshold at 1% alarms"])
    shown = [bool(list(suspects_of(young.task, engine.score, needed))) for young in young_in(repositories[0])]
    assert sum(shown) > 0
    assert figures["alarms on unchanged functions at 1% alarms, whole function"] == 100.0 * sum(shown) / len(shown)


def test_what_another_file_does_in_the_same_words_is_no_alarm(
    repositories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NATS, "bank", 12.0)

    def alarms() -> float:
        engine = ScriptedEngine(score=louder_in_a_bank)
        report, _ = bench(repositories[:1], engine, fit=repositories[1:], baselines=False)
        figures = {figure.name: figure.value for figure in report.figures}
        return figures["alarms on unchanged functions at 1% alarms, whole function"]

    assert alarms() == 100.0
    copied = "".join(f"class Copy{n}:\n{young.function.text}\n\n" for n, young in enumerate(young_in(repositories[0])))
    commit(repositories[0], {"tests/test_copies.py": copied})
    assert alarms() < 100.0


DOUBLE = '''\
def double_{n}(value_{n}):
    """Words that make the function {n} as long as one must be to be looked at: a hundred and fifty characters."""
    if value_{n} < {n}:
        return {n}
    return value_{n} * 2
'''


@pytest.mark.slow
@pytest.mark.timeout(600)  # a busy machine takes minutes over what takes seconds
def test_the_rate_of_alarms_holds_on_another_project(tmp_path: Path) -> None:
    """Evidence as accident would have it: the more of it, the fewer functions."""
    roots = tmp_path / "fitted", tmp_path / "reported"
    for number, root in enumerate(roots):
        root.mkdir()
        sh(root, "init", "--quiet")
        functions = [DOUBLE.format(n=200 * number + n) for n in range(200)]
        commit(root, {f"file{n}.py": "\n\n".join(functions[4 * n : 4 * n + 4]) for n in range(50)})

    def score(request: ScoreRequest) -> list[EditScore]:
        nats = Random(hashlib.sha256(request.text.encode()).digest()).expovariate(0.1)
        gains = [nats if number == 0 else -9.0 for number in range(len(request.edits))]
        return [
            EditScore(e, (-1.0,), (-1.0,), (-90.0,), (-90.0 + g,)) for e, g in zip(request.edits, gains, strict=True)
        ]

    report, _ = bench(roots[1:], ScriptedEngine(score=score), fit=roots[:1], baselines=False, n_functions=200)
    assert report.settings["functions"] == 200
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["alarms on unchanged functions at 1% alarms, whole function"] <= 1.5
    assert 1.5 < figures["alarms on unchanged functions at 5% alarms, whole function"] <= 7.5
    assert figures["threshold at 5% alarms"] < figures["threshold at 1% alarms"]


def test_thresholds_come_from_the_repositories_that_are_named_for_it(repositories: tuple[Path, Path]) -> None:
    engine = ScriptedEngine(score=knows(texts_in(repositories)))
    report, lines = bench(repositories[:1], engine, fit=repositories[1:], baselines=False)
    assert report.settings["thresholds from"] == "purse"
    assert report.settings["functions"] == 6
    of_fit = [line for line in lines if line["fit"]]
    assert len(of_fit) == 3
    assert all(line["buggy"] == {} for line in of_fit), "of these only the unchanged versions are looked at"


def test_one_repository_is_judged_by_the_other_half_of_its_files(repository: Path) -> None:
    report, _ = bench((repository,), ScriptedEngine(score=knows(texts_in((repository,)))), baselines=False)
    assert report.settings["thresholds from"] == "the other half of the repository's files"
    assert "3 of 9 functions: there are no more" in report.left_out
    assert sum("functions to fit on none may pass" in each for each in report.left_out) == 2


def test_an_interrupted_bench_reports_what_is_there(repository: Path) -> None:
    known = knows(texts_in((repository,)))
    third = cases(repository, 9)[2].unchanged.task.function.text

    def score(request: ScoreRequest) -> list[EditScore]:
        if request.text == third:
            raise KeyboardInterrupt
        return known(request)

    report, lines = bench((repository,), ScriptedEngine(score=score), baselines=False)
    assert report.settings["functions"] == len(lines) == 2
    assert "4 of 6 functions: interrupted" in report.left_out


def test_a_history_without_young_functions_is_told(repository: Path) -> None:
    with pytest.raises(NotDone, match="no Python function that is younger than 2026-01-01"):
        bench((repository,), ScriptedEngine(), since=date(2026, 1, 1))


class Talker(ScriptedEngine):
    """Also answers messages: the first question by yes with this probability, the second by a number."""

    def __init__(self, yes: TopLogprob, no: TopLogprob, line: int) -> None:
        super().__init__()
        self._tops = (yes, no)
        self._line = line
        self.questions: list[ChatRequest] = []

    def facts(self) -> ModelFacts:
        return ModelFacts("scripted", Path("x.gguf"), "scripted", 4096, 0, 0, (), True)

    def chat(self, request: ChatRequest) -> ScriptedStream:
        self.questions.append(request)
        return Answer(self._tops) if request.logprobs else ScriptedStream(f"Line {self._line}.", 0.0)


class Answer(ScriptedStream):
    def __init__(self, tops: tuple[TopLogprob, ...]) -> None:
        super().__init__("Yes", 0.0)
        self._tops = tops

    def pieces(self) -> Iterator[TextPiece]:
        yield TextPiece("Yes", 1, logprobs=(TokenLogprob(1, "Yes", -0.1, top=self._tops),))


def test_the_model_is_asked_in_prose_for_a_verdict_and_a_line(repository: Path) -> None:
    young = young_in(repository)[0]
    engine = Talker(TopLogprob(1, "Yes", -1.0), TopLogprob(2, " no", -3.0), 17)
    opinion = ask_in_prose(engine, young.task)
    assert opinion.nats == pytest.approx(2.0)
    assert opinion.line == 17
    asked = engine.questions[0].messages[0]["content"]
    first_line = young.function.text.split("\n")[0]
    assert f"{young.function.line}: {first_line}" in asked
    assert engine.questions[1].messages[0] == engine.questions[0].messages[0]


def test_a_model_that_chats_is_one_of_those_that_are_compared(repository: Path) -> None:
    report, _ = bench((repository,), Talker(TopLogprob(1, "Yes", -1.0), TopLogprob(2, "No", -1.0), 0))
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["AUROC, asked in prose"] == 0.5
    assert figures["right line among the top 1, asked in prose"] == 0.0
