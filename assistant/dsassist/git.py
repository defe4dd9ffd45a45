"""The one door to git: plumbing commands in a fixed environment, bytes in and bytes out.

The index and the object store are read, the working tree only where a caller asks for it by name; nothing is written,
neither files nor objects. What git hands to a hook (`GIT_DIR`, `GIT_INDEX_FILE`: `commit -a` and `commit PATH` use an
index of their own) is inherited on purpose, and every command runs in the directory that the caller names, because
those variables may be relative to it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = [
    "INDEX",
    "WORKING_TREE",
    "ChangedEntry",
    "GitError",
    "NotARepository",
    "Treeish",
    "absent_objects",
    "attributes",
    "below_root",
    "blob_sizes",
    "empty_tree",
    "entries_between",
    "entries_of_index",
    "files_of",
    "grep_words",
    "grep_words_in",
    "is_rebasing",
    "merge_base",
    "merge_heads",
    "object_ids",
    "parents_of",
    "read_blobs",
    "repository_root",
    "run_git",
    "staged_entries",
]

# Variables by which a user's shell would change what plumbing prints, or make it ask.
_UNWANTED = (
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_ATTR_SOURCE",
    "GIT_PREFIX",
)
_FIXED = {
    "LC_ALL": "C",  # messages are read below
    "GIT_OPTIONAL_LOCKS": "0",  # never take index.lock: the editor and the user work in the same repository
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
}
# A repository's configuration may name a program that watches the files, which git would start to read the index.
_SETTINGS = ("--no-pager", "-c", "core.fsmonitor=false")
# For an index of our own: a split one would write its larger part into the repository, and a hook of the user's hears
# of each one that is written.
_PLAIN_INDEX = ("-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", f"core.hooksPath={os.devnull}")

_FILE_MODES = ("100644", "100755")

# No --find-copies: all of a copy is new in its place, and what was forgotten in it is what a review is for. The limit
# is git's own default, so that no configuration turns a rename into a new file.
_RAW = (
    *("--raw", "-z", "-M", "-l1000", "--no-abbrev", "--no-relative", "--no-ext-diff", "--no-textconv"),
    "--ignore-submodules=none",
)


class GitError(NotDone):
    """Git could not do what was asked."""


class NotARepository(DsassistError):
    """The directory lies in no git repository."""


@dataclass(frozen=True)
class Treeish:
    """A state of a repository's files: what the index holds, what lies on disk, or a commit or tree by its id."""

    kind: Literal["index", "working-tree", "object"]
    id: str = ""


INDEX = Treeish("index")
WORKING_TREE = Treeish("working-tree")


@dataclass(frozen=True)
class ChangedEntry:
    """One line of git's raw format: how a tree or the index differs from an older tree at a path.

    `status` is git's letter (A, M, D, R, T, U ...) without the score; modes are octal strings such as "100644"; paths
    are relative to the repository's root, in the bytes that git keeps.
    """

    status: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    path: bytes
    old_path: bytes


def run_git(
    arguments: Sequence[str],
    cwd: Path,
    *,
    stdin: bytes = b"",
    accept: Sequence[int] = (0,),
    environ: Mapping[str, str] | None = None,
) -> bytes:
    """What git prints; `NotARepository` or `GitError` when its exit status is not among `accept`.

    `environ` is added to the environment.
    """
    done = _start(arguments, cwd, stdin, environ or {})
    if done.returncode in accept:
        return done.stdout
    message = done.stderr.decode("utf-8", "replace").strip()
    if "not a git repository" in message:
        raise NotARepository(f"{cwd} is not inside a git repository; name the files to review, or run `git init`")
    raise GitError(f"git {arguments[0]} failed in {cwd}: {_reason(message) or f'exit status {done.returncode}'}")


def _reason(message: str) -> str:
    """Git's own reason without what it adds for colour: the line after `fatal:`, else the last one."""
    lines = message.splitlines()
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    return (fatal or lines[-1:] or [""])[0]


def _start(
    arguments: Sequence[str], cwd: Path, stdin: bytes, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    if not cwd.is_dir():  # else Popen's FileNotFoundError could mean either
        raise GitError(f"there is no directory {cwd}")
    try:
        return subprocess.run(
            ["git", *_SETTINGS, *arguments],
            cwd=cwd,
            env={**inherited, **_FIXED, **environ},
            input=stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("git is not on the PATH; install git, or name the files to review") from error
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror or error}") from error


def repository_root(cwd: Path) -> Path:
    """The top of the working tree that `cwd` lies in."""
    printed = run_git(["rev-parse", "--show-toplevel"], cwd)
    # Only the line end is git's: a directory's name may end in a blank.
    return Path(os.fsdecode(printed.removesuffix(b"\n")))


def object_ids(names: Sequence[str], cwd: Path) -> dict[str, tuple[str, str]]:
    """The id and the type of each named object, by one process; names that stand for none are left out."""
    found = {}
    asked = [name for name in names if name and "\n" not in name]
    printed = run_git(
        ["cat-file", "--batch-check"],
        cwd,
        stdin="".join(f"{name}\n" for name in asked).encode("utf-8", "surrogateescape"),
    )
    for name, line in zip(asked, printed.splitlines(), strict=True):
        # Only an object has three fields that end in its size: a name may hold blanks, and be `missing` or `ambiguous`.
        fields = line.decode("utf-8", "replace").split(" ")
        if len(fields) == 3 and fields[2].isdigit():
            found[name] = (fields[0], fields[1])
    return found


def empty_tree(cwd: Path) -> str:
    """The id of a tree without files, which depends on the repository's hash (SHA-1 or SHA-256)."""
    return _word(run_git(["hash-object", "-t", "tree", "--stdin"], cwd))


def parents_of(commit: str, cwd: Path) -> list[str]:
    """The parents of a commit, given by its id, whether or not they are in this clone."""
    header, _, _ = run_git(["cat-file", "commit", commit], cwd).partition(b"\n\n")
    return [line[7:].decode("ascii") for line in header.split(b"\n") if line.startswith(b"parent ")]


def merge_base(one: str, other: str, cwd: Path) -> str | None:
    """A best common ancestor of two commits; None where they have none."""
    return _word(run_git(["merge-base", one, other], cwd, accept=(0, 1))).split("\n")[0] or None


def merge_heads(cwd: Path) -> list[str]:
    """The commits that are being merged into HEAD; none when no merge is under way.

    A merge that stopped at a conflict has written them down. One that is about to commit by itself (its hook is
    `pre-merge-commit`) has not yet: there git tells its children by variables.
    """
    file = cwd / os.fsdecode(run_git(["rev-parse", "--git-path", "MERGE_HEAD"], cwd).removesuffix(b"\n"))
    try:
        return file.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        told = sorted(name.removeprefix("GITHEAD_") for name in os.environ if name.startswith("GITHEAD_"))
        return [*object_ids(told, cwd)]  # a hook may look at another repository, where these are nothing
    except OSError as error:
        raise GitError(f"cannot read {file}: {error.strerror or error}") from error


def is_rebasing(cwd: Path) -> bool:
    """Whether a rebase has stopped here. Its REBASE_HEAD may outlive it; the folder of its state does not."""
    told = run_git(["rev-parse", "--git-path", "rebase-merge", "--git-path", "rebase-apply"], cwd)
    return any((cwd / os.fsdecode(name)).is_dir() for name in told.splitlines())


def staged_entries(cwd: Path) -> list[ChangedEntry]:
    """The entries in which the index differs from HEAD, or from the empty tree before the first commit."""
    head = object_ids(["HEAD^{commit}"], cwd)
    return entries_of_index(head["HEAD^{commit}"][0] if head else empty_tree(cwd), cwd)


def entries_of_index(tree: str, cwd: Path) -> list[ChangedEntry]:
    """The entries in which the index differs from a tree or commit, given by its id.

    Renames are found (-M). A path that was only announced (`git add -N`) is not staged and not listed.
    """
    return _parse_raw(run_git(["diff-index", "--cached", *_RAW, "--ita-invisible-in-index", tree, "--"], cwd))


def entries_between(old: str, new: str, cwd: Path) -> list[ChangedEntry]:
    """The entries in which a tree or commit differs from an older one, both given by their ids; renames are found."""
    return _parse_raw(run_git(["diff-tree", "-r", *_RAW, old, new, "--"], cwd))


def _parse_raw(printed: bytes) -> list[ChangedEntry]:
    """Read `:100644 100644 old new M NUL path NUL`, where renames and copies have two paths."""
    entries = []
    fields = iter(printed.split(b"\0")[:-1])
    for field in fields:
        old_mode, new_mode, old_id, new_id, status = field[1:].decode("ascii").split(" ")
        old_path = path = next(fields)
        if status[0] in "RC":
            path = next(fields)
        entries.append(ChangedEntry(status[0], old_mode, new_mode, old_id, new_id, path, old_path))
    return entries


def blob_sizes(ids: Iterable[str], cwd: Path) -> dict[str, int]:
    """Bytes of each blob, so that a huge one need not be read to be left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    sizes = {}
    for line in run_git(["cat-file", "--batch-check"], cwd, stdin=_lines(wanted)).decode("ascii").splitlines():
        name, kind, *rest = line.split(" ")
        if not rest:
            raise GitError(f"object {name} is {kind} in {cwd}; run `git fsck`")
        sizes[name] = int(rest[0])
    return sizes


def read_blobs(ids: Iterable[str], cwd: Path) -> dict[str, bytes]:
    """The content of each blob, all by one `git cat-file --batch`."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    printed = run_git(["cat-file", "--batch"], cwd, stdin=_lines(wanted))
    blobs, place = {}, 0
    for name in wanted:
        line_end = printed.index(b"\n", place)
        header = printed[place:line_end].decode("ascii").split(" ")
        if len(header) != 3:
            raise GitError(f"object {name} is missing in {cwd}; run `git fsck`")
        start = line_end + 1
        place = start + int(header[2]) + 1  # git ends each content with a line feed of its own
        blobs[name] = printed[start : place - 1]
    return blobs


def below_root(root: Path, path: Path) -> str | None:
    """A file's path from `root`, which has no links in it, by whatever links it is reached; None for one elsewhere.

    The file itself may be a link.
    """
    try:
        real = Path(os.path.realpath(path.parent)) / path.name
    except (ValueError, OSError):  # a NUL in it
        return None
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else None


def attributes(
    paths: Sequence[bytes], names: Sequence[str], root: Path, *, tree: Treeish = INDEX
) -> dict[bytes, dict[str, str]]:
    """What `.gitattributes` of the index, of a tree or of the working tree say of paths, from the repository's root.

    A value is "set", "unset", or a word; what is unspecified is left out.
    """
    if not paths:
        return {}
    if tree.kind == "object":
        # Git before 2.40 reads attributes from an index only, so the tree is put into one of its own.
        with _own_index() as index:
            run_git([*_PLAIN_INDEX, "read-tree", tree.id], root, environ=index)
            return _check_attr(paths, names, root, ["--cached"], index)
    return _check_attr(paths, names, root, ["--cached"] if tree.kind == "index" else [], {})


def _check_attr(
    paths: Sequence[bytes], names: Sequence[str], root: Path, options: Sequence[str], environ: Mapping[str, str]
) -> dict[bytes, dict[str, str]]:
    stdin = b"".join(path + b"\0" for path in paths)
    printed = run_git(["check-attr", *options, "--stdin", "-z", *names], root, stdin=stdin, environ=environ)
    fields = iter(printed.split(b"\0")[:-1])
    found: dict[bytes, dict[str, str]] = {path: {} for path in paths}
    for path, name, value in zip(fields, fields, fields, strict=True):
        if value != b"unspecified":
            found[path][name.decode()] = value.decode("utf-8", "replace")
    return found


def files_of(tree: Treeish, cwd: Path) -> dict[str, str]:
    """The regular files of the index, or of a commit or tree, by their paths from the root, and the blob of each.

    Paths are strings as `os.fsdecode` makes them; what is unmerged is no file.
    """
    if tree.kind == "working-tree":
        raise ValueError("files on disk have no blobs")
    is_index = tree.kind == "index"
    where = ["ls-files", "-z", "--stage", "--full-name", "--", ":/"]
    printed = run_git(where if is_index else ["ls-tree", "-z", "-r", "--full-tree", tree.id], cwd)
    found = {}
    for entry in printed.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        # `mode id stage` of the index, `mode kind id` of a tree
        mode, middle, last = about.decode("ascii").split(" ")
        if mode in _FILE_MODES and (not is_index or last == "0"):
            found[os.fsdecode(path)] = middle if is_index else last
    return found


def absent_objects(tree: Treeish, cwd: Path) -> frozenset[str]:
    """What a partial clone has left with its remote of the index, or of a commit or tree; nothing in another clone.

    Git fetches such objects one by one as they are read, so a search through all files would be a download.
    """
    if not _is_partial(cwd):
        return frozenset()
    what = ["--no-walk", tree.id] if tree.kind == "object" else ["--indexed-objects"]
    listed = run_git(["rev-list", "--objects", "--no-object-names", "--missing=print", *what, "--"], cwd)
    return frozenset(line[1:] for line in listed.decode("ascii").splitlines() if line[0] == "?")


def _is_partial(cwd: Path) -> bool:
    """Does a remote promise what is not here? Old versions of git wrote its name as an extension alone."""
    keys = r"^(remote\..*\.promisor|extensions\.partialclone)$"
    printed = run_git(["config", "--null", "--get-regexp", keys], cwd, accept=(0, 1)).decode("utf-8", "replace")
    values = [entry.partition("\n") for entry in printed.split("\0")[:-1]]
    return any(not set_to or value.lower() not in ("", "false", "no", "off", "0") for _, set_to, value in values)


def grep_words(words: Iterable[str], tree: Treeish, cwd: Path) -> list[str]:
    """The paths of the text files that hold at least one of the words as a whole word, from the repository's root.

    A word is taken as it is written, and of the working tree only what git tracks is looked at. Paths are strings as
    `os.fsdecode` makes them.
    """
    where = {"index": ["--cached"], "working-tree": [], "object": [tree.id]}[tree.kind]
    found = _grep(words, where, cwd)
    before = f"{tree.id}:".encode() if tree.kind == "object" else b""
    return sorted(os.fsdecode(path.removeprefix(before)) for path in found)


def grep_words_in(words: Iterable[str], blobs: Mapping[str, str], cwd: Path) -> list[str]:
    """The same of some files, given by their blobs under their paths."""
    entries = b"".join(b"100644 %s\t%s\0" % (blob.encode(), os.fsencode(path)) for path, blob in blobs.items())
    with _own_index() as index:
        run_git([*_PLAIN_INDEX, "update-index", "-z", "--index-info"], cwd, stdin=entries, environ=index)
        return sorted(os.fsdecode(path) for path in _grep(words, ["--cached"], cwd, index))


def _grep(
    words: Iterable[str], where: Sequence[str], cwd: Path, environ: Mapping[str, str] | None = None
) -> list[bytes]:
    wanted = sorted({word for word in words if word and "\n" not in word})
    if not wanted:
        return []
    options = ["-F", "-w", "-I", "-l", "-z", "--full-name", "--no-color", "--no-recurse-submodules", "-f", "-"]
    options.append("--threads=1")  # a hook shares the machine
    stdin = "".join(f"{word}\n" for word in wanted).encode("utf-8", "surrogateescape")
    printed = run_git(["grep", *options, *where, "--", ":/"], cwd, stdin=stdin, accept=(0, 1), environ=environ)
    return printed.split(b"\0")[:-1]


@contextmanager
def _own_index() -> Iterator[dict[str, str]]:
    """The variable by which commands use an index of their own, which is gone afterwards."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="dsassist-") as folder:
        yield {"GIT_INDEX_FILE": str(Path(folder) / "index")}


def _word(printed: bytes) -> str:
    return printed.decode("ascii").strip()


def _lines(ids: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in ids).encode("ascii")
