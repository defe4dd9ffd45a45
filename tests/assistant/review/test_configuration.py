"""A change cannot weaken its own reviewer: the configuration from before it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.config import load
from dsassist.options import ReviewConfig
from dsassist.review import selection
from dsassist.review.changes import contents_of_diff
from dsassist.review.configuration import configuration_before, configuration_before_diff
from review_repositories import Repository

WEAK = '[review]\nexclude = ["*"]\n'
STRICT = '[review]\nexclude = ["docs/"]\n'
OTHERS = '[project]\nname = "x"\n'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit of another file."""
    root = tmp_path / "repository"
    root.mkdir()
    made = Repository(root)
    made.git("init", "--quiet")
    made.commit(a="x = 1\n")
    return made


def excluded(repository: Repository, chosen: selection.Selection | None = None) -> tuple[str, ...]:
    before = configuration_before(chosen or selection.staged(repository.root))
    review: ReviewConfig = load(repository.root, instead=before).config.review
    return tuple(review.exclude)


def test_a_change_that_does_not_touch_it_is_reviewed_with_what_lies_on_disk(repository: Repository) -> None:
    repository.write("dsassist.toml", WEAK)
    repository.stage("a.py", "x = 2\n")
    assert configuration_before(selection.staged(repository.root)) == {}
    assert excluded(repository) == ("*",)


def test_a_staged_configuration_is_not_yet_in_force(repository: Repository) -> None:
    repository.stage("dsassist.toml", STRICT)
    repository.commit()
    repository.stage("dsassist.toml", WEAK)
    repository.stage("a.py", "x = 2\n")
    assert excluded(repository) == ("docs/",)


def test_a_configuration_that_is_new_is_not_yet_in_force(repository: Repository) -> None:
    repository.stage("dsassist.toml", WEAK)
    assert excluded(repository) == ()


def test_a_configuration_that_is_deleted_or_renamed_is_still_in_force(repository: Repository) -> None:
    repository.stage("dsassist.toml", STRICT)
    repository.commit()
    repository.git("mv", "dsassist.toml", "elsewhere.toml")
    assert excluded(repository) == ("docs/",)
    repository.git("rm", "--quiet", "--cached", "elsewhere.toml")
    assert excluded(repository) == ("docs/",)


def test_a_table_in_pyproject_is_not_yet_in_force(repository: Repository) -> None:
    repository.stage("pyproject.toml", OTHERS)
    repository.commit()
    repository.stage("pyproject.toml", OTHERS + WEAK.replace("[review]", "[tool.dsassist.review]"))
    assert excluded(repository) == ()


def test_a_change_of_pyproject_that_is_not_about_us_is_none_of_it(repository: Repository) -> None:
    repository.stage("pyproject.toml", OTHERS)
    assert configuration_before(selection.staged(repository.root)) == {}


def test_a_configuration_below_the_root_is_none_of_it(repository: Repository) -> None:
    repository.stage("docs/dsassist.toml", WEAK)
    assert configuration_before(selection.staged(repository.root)) == {}


def test_a_broken_configuration_in_the_change_does_not_stop_its_review(repository: Repository) -> None:
    repository.stage("dsassist.toml", "not TOML at all")
    assert excluded(repository) == ()


def test_commits_are_reviewed_with_what_held_before_them(repository: Repository) -> None:
    repository.stage("dsassist.toml", STRICT)
    repository.commit()
    repository.stage("dsassist.toml", WEAK)
    repository.commit()
    assert excluded(repository, selection.commit(repository.root, "HEAD")) == ("docs/",)
    assert excluded(repository, selection.revision_range(repository.root, "HEAD~2..HEAD")) == ()


def test_a_diff_is_reviewed_with_what_held_before_it(repository: Repository) -> None:
    repository.stage("dsassist.toml", STRICT)
    repository.commit()
    repository.write("dsassist.toml", WEAK)
    contents = contents_of_diff(repository.git("diff").encode() + b"\n", repository.root)
    before = configuration_before_diff(contents, repository.root)
    assert before == {repository.root / "dsassist.toml": STRICT.encode()}


@pytest.mark.parametrize(("old", "new"), [("dsassist.toml", "old.toml"), ("old.toml", "dsassist.toml")])
def test_a_diff_that_only_renames_a_configuration_is_reviewed_with_what_held_before(
    repository: Repository, old: str, new: str
) -> None:
    repository.stage(old, STRICT)
    repository.commit()
    repository.git("mv", old, new)
    contents = contents_of_diff(repository.git("diff", "--cached", "-M").encode() + b"\n", repository.root)
    assert [each.is_moved for each in contents] == [True]
    held = STRICT.encode() if old == "dsassist.toml" else None
    assert configuration_before_diff(contents, repository.root) == {repository.root / "dsassist.toml": held}
