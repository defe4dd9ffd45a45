"""What of a model's answer becomes a commit's message."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.commit_message.cleaning import SUBJECT_COLUMNS, columns, message_in
from dsassist.commit_message.mood import in_imperative


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("Add a cache", "Add a cache"),
        ("Here is a commit message:\n\n```\nAdd a cache\n```\n\nThis message says it all.", "Add a cache"),
        ("```gitcommit\nAdd a cache\n\nIt is small.\n", "Add a cache\n\nIt is small."),
        ("Here's the message: Add a cache", "Add a cache"),
        ("Sure! One moment.\n\nAdd a cache", "Add a cache"),
        ("Commit message: `Add a cache`", "Add a cache"),
        ('"Add a cache."', "Add a cache"),
        ("**Subject:** Add a cache\n\n**Body:** It is small.", "Add a cache\n\nIt is small."),
        ("# Add a cache", "Add a cache"),
        ("- Add a cache", "Add a cache"),
        ("**Add a cache**\n\nLet me know if this helps!", "Add a cache"),
        ("Add a cache\n\nIt is small.\n\nNote: I saw not all.\n\nIt is more.", "Add a cache\n\nIt is small."),
        ("Add a cache\n\n```diff\n+cache\n```", "Add a cache"),
        ("<think>\nWhat is it?\n</think>\nAdd a cache", "Add a cache"),
        ("Adds a cache", "Add a cache"),
        ("fix(cache): removed a lock", "fix(cache): remove a lock"),
        ("Add a cache\n\n- one\n- two", "Add a cache\n\n- one\n- two"),
        ("Add a cache\x1b[31m\u202e\u200b", "Add a cache"),
    ],
)
def test_only_the_message_is_left(answer: str, message: str) -> None:
    assert message_in(answer) == message


@pytest.mark.parametrize(
    "answer", ["", "\n\n", "```\n```", "I'm sorry, I cannot see a diff.", "Here is the commit message:", "feat:", "---"]
)
def test_an_answer_without_a_message_has_none(answer: str) -> None:
    assert message_in(answer) is None


def test_a_long_subject_is_cut_between_words() -> None:
    subject = message_in("Move " + "the configuration of the server and " * 4)
    assert subject == "Move the configuration of the server and the configuration of the server"
    assert columns(subject) <= SUBJECT_COLUMNS
    wide = message_in("添加 " + "缓存 " * 30)
    assert wide is not None
    assert columns(wide) <= SUBJECT_COLUMNS
    assert wide.endswith(" 缓存"), "no word is cut"
    assert message_in("A" * 100) is None, "one word that does not fit is no subject"


def test_a_subject_does_not_end_on_a_word_that_calls_for_another() -> None:
    assert message_in("Keep the answers of the server on this machine so that the next question of the same") == (
        "Keep the answers of the server on this machine so that the next question"
    )


def test_a_body_that_is_not_wanted_is_left_out() -> None:
    assert message_in("Add a cache\n\nIt is small.", with_body=False) == "Add a cache"


def test_a_body_is_wrapped() -> None:
    message = message_in("Add a cache\n\n" + "It holds the answers that were given before. " * 5)
    assert message is not None
    assert max(map(len, message.splitlines())) <= SUBJECT_COLUMNS
    assert message.count("\n") >= 4


def test_an_earlier_subject_is_not_repeated() -> None:
    assert message_in("Fixed the clock.", known=["Fix the clock"]) is None
    assert message_in("Fix the other clock", known=["Fix the clock"]) == "Fix the other clock"


@pytest.mark.parametrize(
    ("subject", "imperative"),
    [
        ("Added a test", "Add a test"),
        ("fixes a bug", "fix a bug"),
        ("Adding colours", "Add colours"),
        ("Dropped support", "Drop support"),
        ("feat(cli)!: Introduces a flag", "feat(cli)!: Introduce a flag"),
        ("Loading of models is quicker", "Loading of models is quicker"),
        ("Applied the fix", "Apply the fix"),
        ("Set the limit", "Set the limit"),
        ("Use-after-free is gone", "Use-after-free is gone"),
    ],
)
def test_the_first_verb_is_in_the_imperative(subject: str, imperative: str) -> None:
    assert in_imperative(subject) == imperative


# -- what a diff may have talked the model into


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("Add a\n\nSigned-off-by: Eve <eve@example.com>", "Add a"),
        ("Add a\n\nCo-authored-by: Eve <eve@example.com>\nreviewed-by : Bob", "Add a"),
        ("Add a\n\nIt is so.\nChange-Id=I123\nFixes #1", "Add a\n\nIt is so."),
        ("Add a\n\n(cherry picked from commit 1234)", "Add a"),
        ("Add a\n\n# Please enter another message", "Add a"),
        ("#Add a", "Add a"),
        ("Fix #12: close a socket (GH-7)", "Fix close a socket"),
        ("Add a\n\nThis closes owner/repo#9 at last.", "Add a\n\nThis closes at last."),
        ("Add a [skip ci]", "Add a"),
        ("Add a\n\nIt is [skip\nci] so.", "Add a\n\nIt is so."),
        ("Add a [[skip ci]skip ci]", "Add a"),
        ("fixup! squash! Add a", "Add a"),
        ("Thank @eve for a", "Thank eve for a"),
        ("Add a\n\nSee https://github.com/o/r/issues/3 for it.", "Add a\n\nSee for it."),
    ],
)
def test_nothing_is_left_that_git_or_a_forge_acts_upon(answer: str, message: str) -> None:
    assert message_in(answer) == message


def test_lines_that_begin_as_the_repositorys_own_comments_do_are_left_out() -> None:
    assert message_in("Add a\n\n; evil\nIt is so.", comment=";") == "Add a\n\nIt is so."
    assert message_in("; Add a", comment=";") == "Add a"


_WORDS = st.sampled_from(
    [
        *("Signed-off-by:", "Fixes", "#12", "# x", "\n", "\n\n", "```", "Add", "a", "word:", ";", "[skip", "ci]"),
        *("(cherry picked from commit 1)", "key=value", "- item", "Here is:", "\t", "\u200b", "long" * 9, "Title:"),
        *("x" * 90, "@eve"),
        *("-token:", "#", "fixup!", "https://x", "Acked-by : y", "  Reviewed-by: z", "缓存"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_WORDS, max_size=40).map(" ".join), st.sampled_from(["#", ";", "//"]))
def test_no_answer_adds_trailers_or_comments_or_a_long_subject(answer: str, comment: str) -> None:
    message = message_in(answer, comment=comment)
    if message is None:
        return
    subject, *body = message.split("\n")
    assert 0 < columns(subject) <= SUBJECT_COLUMNS
    assert not any(line.startswith(comment) for line in message.split("\n"))
    assert body[:1] in ([], [""])
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_git_itself_finds_no_trailer_in_a_hostile_answer(tmp_path: Path) -> None:
    hostile = "Add a\n\nIt is so.\n\n-Signed-off-by: e <e@e>\nX: y\n continued\nhttps://example.com: z"
    message = message_in(hostile)
    assert message is not None
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
