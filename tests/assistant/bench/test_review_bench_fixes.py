"""Which commits count as one-line fixes, what they did, and what is counted as finding them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dsassist.bench.history import History
from dsassist.bench.report import Report
from dsassist.bench.review.alarms import NOTHING
from dsassist.bench.review.fix_class import fix_class
from dsassist.bench.review.fix_figures import FixResult, Verdict, fix_figures, verdict_of
from dsassist.bench.review.fix_mining import Fix, fixes_in
from dsassist.bench.review.fix_sources import TITLES, SourceName
from dsassist.bench.review.fixes import FixesBench, measure_fixes
from dsassist.bench.review.offered import applied, offers
from dsassist.bench.review.sources import Scored
from dsassist.bench.review.written_at_fix import WrittenAtFix
from dsassist.review.calibration.current import shipped_thresholds
from dsassist.review.findings import Finding, Replacement
from dsassist.review.source import Source
from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import NotDone, RequestRefused
from dsassist_runtime.testing import ScriptedEngine
from fim_repository import commit, sh
from scripted_writer import ScriptedWriter

CLAMP = '''"""Limits."""

LEAST = 0


def clamp(value, low, high):
    """Bring a value between two."""
    if value < low:
        return low
    if value > low:
        return high
    return value


def label(value):
    # how it is shown
    return "{}".format(value)
'''
RIGHT = ("    if value > low:\n", "    if value > high:\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "limits"
    root.mkdir()
    sh(root, "init", "--quiet")
    commit(root, {"clamp.py": CLAMP, "tests/test_clamp.py": "x = 1\n"})
    return root


def change(root: Path, subject: str, *pairs: tuple[str, str], more: dict[str, str] | None = None) -> None:
    text = (root / "clamp.py").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    for path, content in {"clamp.py": text, **(more or {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    sh(root, "add", "--all")
    sh(root, "commit", "--quiet", "-m", subject)


def mined(root: Path) -> list[Fix]:
    return list(fixes_in(History(root), "limits", date(2025, 1, 1)))


def test_a_commit_that_fixes_one_line_of_a_function_is_a_fix(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT, more={"tests/test_clamp.py": "x = 2\n", "NEWS.md": "fixed\n"})
    (fix,) = mined(repository)
    assert fix.texts == (RIGHT[0].rstrip("\n"), RIGHT[1].rstrip("\n"))
    assert (fix.path, fix.function, fix.line, fix.kind) == ("clamp.py", "clamp", 10, "another name, in the function")


@pytest.mark.parametrize(
    ("subject", "pairs", "more"),
    [
        ("Improve the upper limit", (RIGHT,), {}),
        ("Fix a typo", (RIGHT,), {}),
        ("Fix both", (RIGHT, ("        return low\n", "        return high\n")), {}),
        ("Fix with other code", (RIGHT,), {"other.py": "x = 1\n"}),
        ("Fix a line more", (("    if value > low:\n", "    value += 0\n    if value > high:\n"),), {}),
        ("Fix a constant", (("LEAST = 0\n", "LEAST = 1\n"),), {}),
        ("Fix a docstring", (("Bring a value between two", "Bring a value between both"),), {}),
        ("Fix a comment", (("    # how it is shown\n", "    # how it looks\n"),), {}),
        ("Fix badly", ((RIGHT[0], "    if value > :\n"),), {}),
    ],
)
def test_other_commits_are_none(
    repository: Path, subject: str, pairs: tuple[tuple[str, str], ...], more: dict[str, str]
) -> None:
    change(repository, subject, *pairs, more=more)
    assert mined(repository) == []


def test_a_fix_that_was_picked_twice_counts_once(repository: Path) -> None:
    change(repository, "Fix the limit", RIGHT)
    change(repository, "Go back", (RIGHT[1], RIGHT[0]))
    change(repository, "Fix the limit again", RIGHT)
    assert [fix.subject for fix in mined(repository)] == ["Fix the limit again"]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("if names:", "if names and names[0]:", "guard added"),
        ("if names:", "if ready and names:", "guard added"),
        ("if names:", "if (names or ready):", "guard added"),
        ("return names", "return names or []", "guard added"),
        ("if names and ready:", "if names:", "condition lost a part"),
        ("for name in names:", "for name in list(names):", "call wrapped around or inserted"),
        ("return name", "return name.strip()", "call wrapped around or inserted"),
        ("show(name)", "show(name, end='')", "argument added"),
        ("show()", "show(name)", "argument added"),
        ("show(name, ready)", "show(name)", "argument removed"),
        ("return", "return name", "something inserted"),
        ("show(len(names))", "show(len(names) - 1)", "something inserted"),
        ("return names[0]", "return names", "something deleted"),
        ("show('a b')", "show('a c')", "text of a string"),
        ("show(f'a {name}')", "show(f'b {name}')", "text of a string"),
        ("show(f'a {name}')", "show(f'a {ready}')", "another name, in the function"),
        ("show(name, name)", "show(ready, ready)", "another name, in the function"),
        ("show(name)", "show(OTHER)", "another name, in the file"),
        ("show(name)", "show(unheard)", "another name, new"),
        ("name.find(ready)", "name.index(ready)", "another attribute"),
        ("if name < ready:", "if name <= ready:", "another comparison"),
        ("if name is ready:", "if name is not ready:", "another comparison"),
        ("if name and ready:", "if name or ready:", "number, constant, not, and/or, await"),
        ("if name:", "if not name:", "number, constant, not, and/or, await"),
        ("show(1)", "show(2)", "number, constant, not, and/or, await"),
        ("show(True)", "show(None)", "number, constant, not, and/or, await"),
        ("return name", "return name if ready else None", "conditional added"),
        ("show(name.a.b)", "show(names[0])", "another expression"),
        ("show(name, 1, ready, a.b.c, 2)", "show(ready, 1, ready, a.b.c, 3)", "several places"),
        ("show(name)", "show(name)  # now", None),
        ("show(name)", "show( name )", None),
    ],
)
def test_a_fix_is_classed_by_its_tokens(before: str, after: str, kind: str | None) -> None:
    def source(line: str) -> Source:
        body = "\n        pass" if line.endswith(":") else ""
        return Source(f"OTHER = 1\n\ndef f(name, names, ready):\n    {line}{body}\n    return ready\n")

    old, new = source(before), source(after)
    assert fix_class(old, new, 4, old.text.partition("\n\n")[2]) == kind


def finding(line: int, column: int, end_column: int, text: str) -> Finding:
    fix = (Replacement(line, column, line, end_column, text),)
    return Finding("clamp.py", line, column, line, end_column, "warning", "name", "clamp", "", "", fix=fix)


def the_fix() -> Fix:
    before, after = Source(CLAMP), Source(CLAMP.replace(*RIGHT))
    return Fix("limits", "c", "Fix", "clamp.py", "clamp", 10, "another name, in the function", before, after)


def test_a_finding_offers_the_fix_when_its_replacement_gives_the_fixed_line() -> None:
    fix = the_fix()
    assert applied(fix.before, finding(10, 16, 19, "high").fix).text == fix.after.text
    assert offers(finding(10, 16, 19, " high "), fix.before, fix.after, 10)
    assert not offers(finding(10, 16, 19, "value"), fix.before, fix.after, 10)
    assert not offers(finding(8, 16, 19, "high"), fix.before, fix.after, 10)


def test_the_strongest_finding_decides() -> None:
    right, wrong = finding(10, 16, 19, "high"), finding(8, 16, 19, "high")
    verdict = verdict_of(the_fix(), [Scored(right, 3.0), Scored(wrong, 5.0)], [])
    assert verdict == Verdict(5.0, NOTHING, is_right_line=False, is_offered=False)
    assert verdict_of(the_fix(), [Scored(right, 3.0)], [Scored(right, 1.0)]) == Verdict(3.0, 1.0, True, True)


def test_sources_together_are_judged_each_on_its_own_scale() -> None:
    """A strength of 100 is common for one source, 1 is never seen of the other on fixed versions."""
    results = []
    for number in range(200):
        fix = the_fix()
        fix = Fix(f"repository {number % 2}", *[getattr(fix, name) for name in list(fix.__dataclass_fields__)[1:]])
        loud = [Scored(finding(10, 16, 19, "value"), 100.0 + number)]
        quiet = [Scored(finding(10, 16, 19, "high"), 1.0)] if number < 50 else []
        results.append(FixResult(fix, {"loud": loud, "quiet": quiet}, {"loud": loud, "quiet": []}))
    figures = {figure.name: figure.value for figure in fix_figures(results, ["loud", "quiet"], 5.5)}
    assert figures["fix offered at 1% alarms, quiet"] == 25.0
    assert figures["fix offered at 1% alarms, all together"] == 25.0
    assert figures["alarms on fixed versions at 1% alarms, all together"] <= 2.0
    assert figures["right line as shipped (5.5 nats), loud"] == 100.0
    assert figures["share of the fixes, another name, in the function"] == 100.0


def knows_the_fix(request: ScoreRequest) -> list[EditScore]:
    """`high` is likelier in place of the second `low`; all else that could stand anywhere is unlikely."""

    def nats(edit: Edit) -> float:
        other = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
        is_better = "value > high" in other and "value > high" not in request.text
        return -0.1 if is_better else -20.0

    return [EditScore(edit, (-6.0,), (nats(edit),), (-1.0,), (-1.0,)) for edit in request.edits]


def bench(
    root: Path,
    engine: ScriptedEngine,
    details: io.StringIO | None = None,
    most: int | None = None,
    sources: tuple[SourceName, ...] = tuple(TITLES),
) -> Report:
    what = FixesBench((root,), most=most, sources=sources)
    return measure_fixes(what, engine, "scripted", {"load": [0.0]}, details, lambda _: None)


def test_a_fix_that_the_model_knows_is_found_before_and_no_alarm_after(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    details = io.StringIO()
    report = bench(repository, ScriptedEngine(score=knows_the_fix), details)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["fix preferred to the bug"] == 100.0
    assert figures["right line as shipped (5.5 nats), enumerated"] == 100.0
    assert figures["fix offered as shipped (5.5 nats), enumerated"] == 100.0
    assert figures["alarms on fixed versions as shipped (5.5 nats), enumerated"] == 0.0
    assert figures["right line at 5% alarms, enumerated"] == 0.0
    assert [reason for reason in report.left_out if "there is only one" in reason]
    (line,) = [json.loads(line) for line in details.getvalue().splitlines()]
    assert line["class"] == "another name, in the function"
    assert line["before"]["enumerated"][0]["is_the_fix"] is True


def test_what_is_shipped_is_the_threshold_of_the_models_file(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    engine, what = ScriptedEngine(score=knows_the_fix), FixesBench((repository,), sources=("enumerated",))
    model = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    report = measure_fixes(what, engine, model, {"load": [0.0]}, None, lambda _: None)
    (needed,) = {shipped_thresholds("qwen2.5-coder-0.5b", 5.5).threshold_nats}
    assert f"right line as shipped ({needed:g} nats), enumerated" in {figure.name for figure in report.figures}
    assert needed < 5.5


TABLE = '''"""Tables."""


def load_table(path):
    """Read all rows of a file."""
    with open(path) as file:
        return [line.split(",") for line in file]
'''
SHOW = '''"""Shows tables."""

import table


def show(path):
    for row in table.load_table(path):
        print(row)
'''


@pytest.fixture
def half_renamed(tmp_path: Path) -> Path:
    """A function was renamed, a use of it was forgotten, other work came in between, and the use was fixed."""
    root = tmp_path / "tables"
    root.mkdir()
    sh(root, "init", "--quiet")
    commit(root, {"table.py": TABLE, "show.py": SHOW})
    (root / "table.py").write_text(TABLE.replace("load_table", "read_table"))
    sh(root, "commit", "--quiet", "-am", "Rename it")
    (root / "show.py").write_text(SHOW.replace("Shows tables.", "Shows tables.\n\nRow by row."))
    sh(root, "commit", "--quiet", "-am", "Say more")
    (root / "show.py").write_text((root / "show.py").read_text().replace("load_table", "read_table"))
    sh(root, "commit", "--quiet", "-am", "Fix the name")
    return root


def test_what_an_earlier_commit_left_undone_is_found_at_the_line_that_was_fixed(half_renamed: Path) -> None:
    details = io.StringIO()
    report = bench(half_renamed, ScriptedEngine(), details, sources=("unfinished",))
    (line,) = [json.loads(line) for line in details.getvalue().splitlines()]
    assert [(each["family"], each["line"], each["is_the_fix"]) for each in line["before"]["unfinished changes"]] == [
        ("stale-name", 9, True)
    ]
    assert line["after"]["unfinished changes"] == []
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["fix offered as shipped (5.5 nats), unfinished changes"] == 100.0
    assert figures["alarms on fixed versions as shipped (5.5 nats), unfinished changes"] == 0.0


def test_a_fix_that_no_change_left_undone_is_not_found_by_structure(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    details = io.StringIO()
    bench(repository, ScriptedEngine(), details, sources=("unfinished",))
    (line,) = [json.loads(line) for line in details.getvalue().splitlines()]
    assert line["before"] == line["after"] == {"unfinished changes": []}


IF, WHILE = (
    f"def f(value, names):\n    {word} value.name:\n        return value.name\n    return names\n"
    for word in ("if", "while")
)
GUARD, LOUD = "value and value.name", "names and value.name"


def test_nulls_are_what_alternatives_gain_in_the_fixed_versions_of_other_repositories() -> None:
    """One project lacked a guard; in the other one, where nothing is wrong, the model would write one as well."""
    engine = ScriptedWriter(
        {"if": f"{GUARD}:\n        return", "while": f"{LOUD}:\n        return"},
        behind={GUARD: 20.0, LOUD: 12.0},
        between={"if value.name": -25.0, "while value.name": -25.0, GUARD: -4.0, LOUD: -15.0},
    )
    fixes = [
        Fix(name, "c", "Fix", f"{name}.py", "f", 2, "guard added", Source(before), Source(after))
        for name, before, after in (("lacks", IF, IF.replace("value.name:", f"{GUARD}:")), ("right", WHILE, WHILE))
    ]
    find = WrittenAtFix(engine)
    ((as_shipped,), _), ((alarm,), _) = [[find(fix, fix.before), find(fix, fix.after)] for fix in fixes]
    assert as_shipped.finding.evidence_nats == 17.0  # the smaller of 20 - 3 and 21 - 3, by nulls that are guesses
    assert alarm.finding.evidence_nats == 7.0
    (one, other), figures = find.by_nulls_of_others(fixes)
    nulls = {figure.name: figure.samples for figure in figures}
    assert nulls["null of missing-guard, behind"] == (12.0, 0.0)
    assert nulls["null of missing-guard, between"] == pytest.approx((10.0, 0.0), abs=0.01)
    assert nulls["null of missing-call, behind"] == (0.0, 0.0)
    assert one.is_offered
    assert as_shipped.strength - one.before == pytest.approx((17 - 8) / 2)  # 20 - 12, and twice the threshold is asked
    assert other.after > alarm.strength, "its null is that of a project without an alternative"
    assert [(each["family"], each["behind"]) for each in find.told(fixes[1])["after"]] == [("missing-guard", 12.0)]


def test_sources_together_take_what_is_written_by_the_nulls_of_others() -> None:
    results = []
    for number in range(200):
        fix = replace(the_fix(), repository=f"repository {number % 2}")
        found = [Scored(finding(10, 16, 19, "high"), 1.0)]
        results.append(FixResult(fix, {"written": found}, {"written": found}))
    better = [Verdict(9.0, NOTHING, is_right_line=True, is_offered=True)] * 200
    figures = {figure.name: figure.value for figure in fix_figures(results, ["written"], 5.5, {"written": better})}
    assert figures["right line as shipped (5.5 nats), written"] == 0.0
    assert figures["right line at 1% alarms, written"] == 100.0


def test_sources_that_are_not_asked_for_put_no_question_and_are_told(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    report = bench(repository, ScriptedEngine(score=knows_the_fix), sources=("enumerated", "unfinished"))
    assert report.settings["sources"] == "enumerated, unfinished changes"
    assert [reason for reason in report.left_out if "--sources" in reason] == [
        "the source further families: not among --sources",
        "the source written by the model: not among --sources",
    ]
    named = {figure.name.rpartition(", ")[2] for figure in report.figures if figure.name.startswith("right line as")}
    assert named == {"enumerated", "unfinished changes"}
    assert not [reason for reason in bench(repository, ScriptedEngine()).left_out if "--sources" in reason]


def test_an_interrupted_bench_reports_what_is_there(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    change(repository, "Fix the lower limit", ("    if value < low:\n", "    if value <= low:\n"))
    asked: list[ScoreRequest] = []

    def score(request: ScoreRequest) -> list[EditScore]:
        if request.suffix_tokens:  # else it only asks what is improbable as it stands
            asked.append(request)
        if len(asked) > 3:
            raise KeyboardInterrupt
        return knows_the_fix(request)

    report = bench(repository, ScriptedEngine(score=score))
    assert "1 of 2 fixes: interrupted" in report.left_out
    assert report.settings["fixes"] == 1


def test_what_the_engine_refuses_is_left_out_and_counted(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)

    def refuse(request: ScoreRequest) -> list[EditScore]:
        raise RequestRefused("too long for this model")

    with pytest.raises(NotDone, match="no fix could be reviewed: too long for this model"):
        bench(repository, ScriptedEngine(score=refuse))


def test_as_many_fixes_are_drawn_as_asked_for(repository: Path) -> None:
    change(repository, "Fix the upper limit", RIGHT)
    change(repository, "Fix the lower limit", ("    if value < low:\n", "    if value <= low:\n"))
    reports = [bench(repository, ScriptedEngine(score=knows_the_fix), most=1) for _ in range(2)]
    assert reports[0].settings["fixes"] == 1
    assert reports[0].figures == reports[1].figures


def test_a_history_without_fixes_is_told(repository: Path) -> None:
    with pytest.raises(NotDone, match="no commit since 2025-01-01 fixes one line"):
        bench(repository, ScriptedEngine())


def test_of_a_function_that_is_too_long_for_the_model_less_is_read_around_the_line(tmp_path: Path) -> None:
    root = tmp_path / "long"
    root.mkdir()
    sh(root, "init", "--quiet")
    filler = "".join(f"    value = value + {number}\n" for number in range(300))
    commit(root, {"clamp.py": CLAMP.replace("    if value > low:\n", f"{filler}    if value > low:\n")})
    change(root, "Fix the upper limit", RIGHT)

    def score(request: ScoreRequest) -> list[EditScore]:
        if len(request.text) > 1200:
            raise RequestRefused("too long for this model")
        assert "value > low" in request.text or "value > high" in request.text
        return knows_the_fix(request)

    figures = {figure.name: figure.value for figure in bench(root, ScriptedEngine(score=score)).figures}
    assert figures["fix preferred to the bug"] == 100.0
    assert figures["fix offered as shipped (5.5 nats), enumerated"] == 100.0
