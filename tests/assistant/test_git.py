"""The door to git, on real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dsassist import git


def sh(cwd: Path, *arguments: str, **environment: str) -> str:
    """Run git as a user does, in the test's own environment."""
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit: `a.py` and `b.py`."""
    root = tmp_path / "r"
    root.mkdir()
    sh(root, "init", "--quiet")
    (root / "a.py").write_text("".join(f"a = {i}\n" for i in range(30)))
    (root / "b.py").write_text("b = 1\n")
    sh(root, "add", ".")
    sh(root, "commit", "--quiet", "-m", "first")
    return root


def listed(root: Path) -> list[tuple[str, bytes]]:
    return [(entry.status, entry.path) for entry in git.staged_entries(root)]


def test_nothing_staged_is_an_empty_list(repository: Path) -> None:
    (repository / "a.py").write_text("changed, not staged\n")
    (repository / "new.py").write_text("not added\n")
    assert git.staged_entries(repository) == []


def test_before_the_first_commit_everything_staged_is_new(tmp_path: Path) -> None:
    sh(tmp_path, "init", "--quiet")
    (tmp_path / "a.py").write_text("a = 1\n")
    sh(tmp_path, "add", "a.py")
    assert listed(tmp_path) == [("A", b"a.py")]


def test_an_empty_repository_has_nothing_staged(tmp_path: Path) -> None:
    sh(tmp_path, "init", "--quiet")
    assert git.staged_entries(tmp_path) == []


def test_a_sha256_repository_works_before_its_first_commit(tmp_path: Path) -> None:
    sh(tmp_path, "init", "--quiet", "--object-format=sha256")
    (tmp_path / "a.py").write_text("a = 1\n")
    sh(tmp_path, "add", "a.py")
    (entry,) = git.staged_entries(tmp_path)
    assert len(entry.new_id) == 64
    assert git.read_blobs([entry.new_id], tmp_path) == {entry.new_id: b"a = 1\n"}


def test_a_rename_keeps_both_names(repository: Path) -> None:
    sh(repository, "mv", "a.py", "c.py")
    (entry,) = git.staged_entries(repository)
    assert (entry.status, entry.old_path, entry.path) == ("R", b"a.py", b"c.py")
    assert entry.old_id == entry.new_id


def test_deletion_and_mode_are_told(repository: Path) -> None:
    sh(repository, "rm", "--quiet", "b.py")
    sh(repository, "update-index", "--chmod=+x", "a.py")
    deleted = {entry.path: entry for entry in git.staged_entries(repository)}
    assert deleted[b"b.py"].status == "D"
    assert (deleted[b"a.py"].old_mode, deleted[b"a.py"].new_mode) == ("100644", "100755")


def test_an_announced_path_is_not_staged(repository: Path) -> None:
    (repository / "later.py").write_text("x = 1\n")
    sh(repository, "add", "-N", "later.py")
    assert git.staged_entries(repository) == []


@pytest.mark.parametrize(
    "name", [b"with blank.py", b'q"uote.py', "ünicode.py".encode(), b"line\nbreak.py", b"\xff\xfe.py"]
)
def test_odd_names_come_as_git_keeps_them(repository: Path, name: bytes) -> None:
    try:
        (repository / os.fsdecode(name)).write_bytes(b"x = 1\n")
    except OSError:
        pytest.skip("this file system does not take such a name")
    sh(repository, "add", ".")
    assert listed(repository) == [("A", name)]


def test_hostile_configuration_changes_nothing(repository: Path) -> None:
    for key, value in {
        "diff.external": "false",
        "diff.noprefix": "true",
        "diff.renames": "false",
        "diff.relative": "true",
        "color.ui": "always",
        "core.quotePath": "true",
        "core.pager": "false",
        "diff.orderFile": "/nowhere",
    }.items():
        sh(repository, "config", key, value)
    (repository / "sub").mkdir()
    (repository / "b.py").write_text("b = 2\n")
    sh(repository, "add", "b.py")
    assert [entry.path for entry in git.staged_entries(repository / "sub")] == [b"b.py"]


def test_variables_that_bend_a_diff_are_not_passed_on(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_PAGER", "false")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    (repository / "b.py").write_text("b = 2\n")
    sh(repository, "add", "b.py")
    assert listed(repository) == [("M", b"b.py")]


def test_the_index_that_a_hook_inherits_is_read(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git commit PATH` commits from a temporary index, which it names to the hook."""
    other = repository / ".git" / "next-index.lock"
    (repository / "a.py").write_text("a = 'other index'\n")
    other.write_bytes((repository / ".git" / "index").read_bytes())
    sh(repository, "add", "a.py", GIT_INDEX_FILE=str(other))
    assert git.staged_entries(repository) == []
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index.lock")
    assert listed(repository) == [("M", b"a.py")]


def test_a_linked_worktree_has_its_own_index(repository: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    sh(repository, "worktree", "add", "--quiet", "-b", "side", str(linked))
    (linked / "b.py").write_text("b = 3\n")
    sh(linked, "add", "b.py")
    assert listed(linked) == [("M", b"b.py")]
    assert git.staged_entries(repository) == []
    assert git.repository_root(linked) == linked.resolve()


def test_unmerged_paths_are_marked(repository: Path) -> None:
    sh(repository, "checkout", "--quiet", "-b", "side")
    (repository / "b.py").write_text("b = 'side'\n")
    sh(repository, "commit", "--quiet", "-am", "side")
    sh(repository, "checkout", "--quiet", "main")
    (repository / "b.py").write_text("b = 'main'\n")
    sh(repository, "commit", "--quiet", "-am", "main")
    subprocess.run(["git", "merge", "--quiet", "side"], cwd=repository, capture_output=True, check=False)
    assert ("U", b"b.py") in listed(repository)


def test_blobs_are_read_byte_for_byte(repository: Path) -> None:
    contents = [b"", b"no line end", b"\0binary\n\n", b"crlf\r\n", b"x" * 100_000]
    for i, content in enumerate(contents):
        (repository / f"n{i}.bin").write_bytes(content)
    sh(repository, "-c", "core.autocrlf=false", "add", ".")
    ids = {entry.path: entry.new_id for entry in git.staged_entries(repository)}
    blobs = git.read_blobs(ids.values(), repository)
    assert [blobs[ids[f"n{i}.bin".encode()]] for i in range(len(contents))] == contents
    assert git.blob_sizes(ids.values(), repository) == {name: len(blob) for name, blob in blobs.items()}


def test_a_missing_object_is_a_clear_error(repository: Path) -> None:
    absent = "1" * 40
    with pytest.raises(git.GitError, match=f"object {absent} is missing"):
        git.read_blobs([absent], repository)
    with pytest.raises(git.GitError, match=f"object {absent} is missing"):
        git.blob_sizes([absent], repository)


def test_no_object_is_asked_for_when_there_is_none(tmp_path: Path) -> None:
    assert git.read_blobs([], tmp_path) == {}
    assert git.blob_sizes([], tmp_path) == {}


def test_outside_a_repository_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(git.NotARepository, match="is not inside a git repository") as caught:
        git.staged_entries(tmp_path)
    assert caught.value.exit_code == 2


def test_a_bare_repository_has_no_root(tmp_path: Path) -> None:
    sh(tmp_path, "init", "--quiet", "--bare", "bare.git")
    with pytest.raises(git.GitError, match="must be run in a work tree"):
        git.repository_root(tmp_path / "bare.git")


def test_a_damaged_index_is_a_clear_error(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(b"nonsense, and long enough to be read as an index header")
    with pytest.raises(git.GitError, match="index") as caught:
        git.staged_entries(repository)
    assert caught.value.exit_code == 3


def test_git_that_is_not_installed_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(git.GitError, match="git is not on the PATH"):
        git.staged_entries(tmp_path)


def test_a_directory_that_is_gone_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(git.GitError, match="there is no directory"):
        git.staged_entries(tmp_path / "gone")


def test_names_of_objects_are_looked_up_by_one_process(repository: Path) -> None:
    head, tree = sh(repository, "rev-parse", "HEAD", "HEAD^{tree}").split()
    sh(repository, "tag", "-a", "-m", "one", "v1")
    names = ["HEAD", "HEAD^{tree}", "v1", "no such", "no-such", "HEAD:a.py missing", "", "a\nb", "--help", "HEAD 100"]
    found = git.object_ids(names, repository)
    assert found.keys() == {"HEAD", "HEAD^{tree}", "v1"}
    assert (found["HEAD"], found["HEAD^{tree}"], found["v1"][1]) == ((head, "commit"), (tree, "tree"), "tag")


def test_parents_are_told_and_a_first_commit_has_none(repository: Path) -> None:
    first = sh(repository, "rev-parse", "HEAD").strip()
    assert git.parents_of(first, repository) == []
    sh(repository, "commit", "--quiet", "--allow-empty", "-m", "parent 1234\n\nparent 5678")
    assert git.parents_of(sh(repository, "rev-parse", "HEAD").strip(), repository) == [first]


def test_nothing_is_being_merged_usually(repository: Path) -> None:
    assert git.merge_heads(repository) == []


@pytest.fixture
def searched(repository: Path) -> Path:
    """The word `width` in HEAD's a.py, in the index's b.py and in d.py on disk alone; others only look like it."""
    (repository / "a.py").write_text("width = 1\n")
    (repository / "d.py").write_text("widths = 1\nmy_width = 2\nWidth = 3\n")
    (repository / "binary").write_bytes(b"\0width\n")
    sh(repository, "add", ".")
    sh(repository, "commit", "--quiet", "-m", "second")
    (repository / "a.py").write_text("height = 1\n")
    (repository / "b.py").write_text("f(width)\n")
    sh(repository, "add", ".")
    (repository / "b.py").write_text("f(height)\n")
    (repository / "d.py").write_text("w = width\n")
    (repository / "untracked.py").write_text("width\n")
    return repository


def test_a_word_is_found_in_a_commit_in_the_index_and_on_disk(searched: Path) -> None:
    below = searched / "below"
    below.mkdir()
    head = git.Treeish("object", sh(searched, "rev-parse", "HEAD").strip())
    for cwd in (searched, below):
        assert git.grep_words(["width"], head, cwd) == ["a.py"]
        assert git.grep_words(["width"], git.INDEX, cwd) == ["b.py"]
        assert git.grep_words(["width"], git.WORKING_TREE, cwd) == ["d.py"]
        assert git.grep_words(["width", "height", "none"], git.INDEX, cwd) == ["a.py", "b.py"]


def test_a_word_is_no_pattern_and_may_be_absent(searched: Path) -> None:
    assert git.grep_words(["wid.h", "w*", "--help", "", "a\nb"], git.INDEX, searched) == []
    assert git.grep_words([], git.INDEX, searched) == []
    (searched / "odd\nname.py").write_text("größe = 1\n-x\n")
    sh(searched, "add", ".")
    assert git.grep_words(["größe"], git.INDEX, searched) == ["odd\nname.py"]


def test_attributes_come_from_the_state_that_is_asked(repository: Path) -> None:
    for where, text in (("object", "*.py x=1\n"), ("index", "*.py x=2 -diff\n"), ("disk", "*.py x=3\n")):
        (repository / ".gitattributes").write_text(text)
        if where != "disk":
            sh(repository, "add", ".gitattributes")
        if where == "object":
            sh(repository, "commit", "--quiet", "-m", "attributes")
    head = git.Treeish("object", sh(repository, "rev-parse", "HEAD").strip())
    paths, names = [b"a.py", b"odd\nname.py", b"b.txt"], ["x", "diff"]
    said = {tree: git.attributes(paths, names, repository, tree=tree) for tree in (head, git.INDEX, git.WORKING_TREE)}
    assert said[head] == {b"a.py": {"x": "1"}, b"odd\nname.py": {"x": "1"}, b"b.txt": {}}
    assert said[git.INDEX][b"a.py"] == {"x": "2", "diff": "unset"}
    assert said[git.WORKING_TREE][b"a.py"] == {"x": "3"}
    assert git.attributes([], names, repository) == {}
