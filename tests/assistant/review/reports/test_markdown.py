"""The comment on a pull request, read by a Markdown parser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding, Related, Replacement
from dsassist.review.reports import FORMATS, Report
from dsassist.review.reports.markdown import MARK

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]

HOSTILE = (
    "`</code> @octocat #12 https://example.com/x www.example.com ![i](http://e/x.png) [l](http://e) <b onload=x> "
    "<!-- --> $x$ **b** | ~~s~~ &lt;\n\n# h\n\n- [ ] t\n```\nx"
)


def tokens(text: str) -> list[Any]:
    markdown_it = pytest.importorskip("markdown_it", reason="a Markdown parser, which comes with rich")
    blocks = markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text)
    return [token for block in blocks for token in (block, *(block.children or []))]


def shown_outside_of_code(text: str) -> str:
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


def test_a_comment_can_be_found_again_and_ends_with_what_was_reviewed(finding: MakeFinding, report: MakeReport) -> None:
    skipped = (Skipped("b.js", "not Python"), Skipped("c.js", "not Python"), Skipped("d.py", "binary"))
    lines = FORMATS["markdown"](report(finding(), skipped=skipped)).split("\n")
    assert lines[0] == MARK
    assert lines[-6:] == [
        "Reviewed 3 functions in 2 files with some\\-model in 4\\.9 s.",
        "",
        "Not reviewed:",
        "",
        "- not Python: `b.js`, `c.js`",
        "- binary: `d.py`",
    ]


def test_a_finding_shows_its_fix_as_a_diff(finding: MakeFinding, report: MakeReport) -> None:
    text = FORMATS["markdown"](report(finding()))
    (fence,) = [token for token in tokens(text) if token.type == "fence"]
    assert (fence.info, fence.content) == ("diff", "-    return low + high\n+    return high + high\n")
    assert "**warning** `a.py:4`: `low` may be meant to be `high` (DSA101)" in text


def test_a_finding_without_a_fix_shows_its_line(finding: MakeFinding, report: MakeReport) -> None:
    text = FORMATS["markdown"](report(finding(fix=(), message="look here")))
    (fence,) = [token for token in tokens(text) if token.type == "fence"]
    assert fence.content == "    return low + high\n"


def test_related_places_are_a_list(finding: MakeFinding, report: MakeReport) -> None:
    text = FORMATS["markdown"](report(finding(related=(Related("b.py", 7, 2, "`low` is still used"),))))
    assert "- `b.py:7`: `low` is still used" in text


@pytest.mark.parametrize("where", ["message", "evidence", "path", "source_line", "fix", "note", "skipped", "model"])
def test_text_of_the_change_is_never_markup(where: str, finding: MakeFinding, report: MakeReport) -> None:
    made = {
        "message": finding(message=f"see {HOSTILE}"),
        "evidence": finding(evidence=HOSTILE),
        "path": finding(path=HOSTILE),
        "source_line": finding("low " + HOSTILE.replace("\n", " "), fix=()),
        "fix": finding(fix=(Replacement(4, 5, 4, 8, HOSTILE),)),
        "note": finding(related=(Related(HOSTILE, 1, 1, HOSTILE),)),
    }.get(where, finding())
    skipped = (Skipped(HOSTILE, HOSTILE),) if where == "skipped" else ()
    full = replace(report(made, skipped=skipped), model=HOSTILE if where == "model" else "m")
    text = FORMATS["markdown"](full)
    kinds = {token.type for token in tokens(text.removeprefix(MARK))}
    forbidden = {"link_open", "image", "html_inline", "html_block", "heading_open", "table_open", "s_open", "em_open"}
    assert not kinds & forbidden
    outside = shown_outside_of_code(text)
    for active in ("@octocat", "#12", "https://", "www.e"):
        assert active not in outside
    assert len([token for token in tokens(text) if token.type == "fence"]) == 1


@pytest.mark.parametrize("code", ["`", "a`b", "``x``", "` x `", "```", " ", "\ta"])
def test_code_is_shown_whole_in_its_span(code: str, finding: MakeFinding, report: MakeReport) -> None:
    spans = [token for token in tokens(FORMATS["markdown"](report(finding(path=code)))) if token.type == "code_inline"]
    assert spans[0].content.strip() == f"{code.replace(chr(9), ' ')}:4".strip()


def test_more_findings_than_a_comment_holds_are_counted(finding: MakeFinding, report: MakeReport) -> None:
    weak = [finding(path=f"weak{number}.py", evidence_nats=1.0) for number in range(900)]
    text = FORMATS["markdown"](report(*weak, finding(path="strong.py", evidence_nats=9.0)))
    assert len(text) < 65_000
    assert text.index("strong.py") < text.index("weak")
    shown = text.count("(DSA101)")
    assert f"{901 - shown} findings more did not fit here." in text
    assert text.rstrip().endswith("s.")


def test_a_long_line_is_cut(finding: MakeFinding, report: MakeReport) -> None:
    text = FORMATS["markdown"](report(finding("x" * 5000 + " low")))
    assert max(len(line) for line in text.split("\n")) < 400


def test_a_clean_review_says_so(report: MakeReport) -> None:
    text = FORMATS["markdown"](report(failure="the engine ended"))
    assert "**dsassist: no findings**" in text
    assert "The review ended early: the engine ended." in text
