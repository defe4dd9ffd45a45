"""A name that the change took away, or renamed, and that is still used somewhere (DSA201)."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.unfinished.change import PythonChange, PythonChanges
from dsassist.review.unfinished.edits import tokens_of
from dsassist.review.unfinished.library import LIBRARY_METHODS
from dsassist.review.unfinished.links import is_guarded
from dsassist.review.unfinished.python_file import Definition, Occurrence, PythonFile
from dsassist.review.unfinished.signature import call_of

__all__ = ["find_stale_names"]

_ALIKE = 0.6  # of what a definition says, for another one to be the same under a new name
_MOST_OF_FILE = 5
_BINDING = ("definition", "binding", "import")
_PATCHING = ("patch", "setattr", "import_string", "import_module", "object", "delattr")
_ONE_WORD = 7  # characters of a name that stands for nothing else, though it is one word


@dataclass(frozen=True)
class _Gone:
    """A name that is no longer defined. `new_name` is what it is called now, if that is known."""

    change: PythonChange
    definition: Definition
    new_name: str

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def related(self) -> Related:
        line = self.change.line_now(self.definition.line)
        what = f"renamed to {self.new_name} by this change" if self.new_name else "removed by this change"
        return Related(self.change.new.path, line, 1, what)


def find_stale_names(changes: PythonChanges) -> Iterator[Finding]:
    """Each use of a name whose only definition the change removed."""
    for change in changes.files:
        yield from _uses_of_unbound(change, changes)
    gone = [each for change in changes.files for each in _gone(change, changes)]
    if not changes.tree.is_whole:  # an attribute is gone where no class has it any more, which nobody can tell
        gone = [each for each in gone if not each.definition.container]
    texts = changes.files_with({each.name for each in gone})
    for each in gone:
        files = [file for file in texts if each.name in file.words]
        uses = (
            _uses_of_member(each, files, changes)
            if each.definition.container
            else _uses_of_module_name(each, files, changes)
        )
        counted: Counter[str] = Counter()
        for file, use in uses:
            counted[file.path] += 1
            if counted[file.path] <= _MOST_OF_FILE:
                yield _finding(file, use, (each.name, each.new_name), each.related, "is defined nowhere any more")


def _uses_of_unbound(change: PythonChange, changes: PythonChanges) -> Iterator[Finding]:
    """Uses of a name that something in the file gave a meaning before the change (an import, a variable, a parameter),
    and that nothing in it does now."""
    if change.new.has_star_import:
        return
    taken_away = {token for hunk in change.hunks for line in hunk.old for token in tokens_of(line)}
    for name in sorted(taken_away & change.new.words):
        uses = list(_uses_at_home(name, change.new)) if name.isidentifier() else []
        bound = [each for each in change.old.occurrences(name) if each.role in _BINDING] if uses else []
        if bound:
            new = {b for (a, b) in changes.replaced if a == name and b in change.new.words}
            new_name = new.pop() if len(new) == 1 else ""
            note = f"{new_name} stands here instead" if new_name else "it got its meaning here"
            related = Related(change.new.path, change.line_now(bound[0].line), 1, note)
            for use in uses[:_MOST_OF_FILE]:
                yield _finding(change.new, use, (name, new_name), related, "has no meaning here any more")


def _gone(change: PythonChange, changes: PythonChanges) -> Iterator[_Gone]:
    left = {each.name for each in change.new.definitions} | change.new.module_names
    seen = set()
    for definition in change.old.definitions:
        name = definition.name
        if name in left or name in seen or len(name) < 3 or (name.startswith("__") and name.endswith("__")):
            continue
        seen.add(name)
        yield _Gone(change, definition, _new_name(definition, change, changes))


def _new_name(definition: Definition, change: PythonChange, changes: PythonChanges) -> str:
    """What the definition is called now: another of the same kind that the change added and that says the same."""
    old = {(each.name, each.container) for each in change.old.definitions}
    added = [
        each
        for each in change.new.definitions
        if each.kind == definition.kind
        and (each.name, each.container) not in old
        and each.name not in change.old.module_names
    ]
    renamed = {new for (a, new) in changes.replaced if a == definition.name}
    if len(renamed) == 1 and any(each.name in renamed for each in added):
        return renamed.pop()
    alike = [each.name for each in added if _are_alike(definition, change.old, each, change.new)]
    return alike[0] if len(set(alike)) == 1 else ""


def _are_alike(one: Definition, old: PythonFile, other: Definition, new: PythonFile) -> bool:
    before = old.source.node_text(one.node).replace(one.name, other.name)
    after = new.source.node_text(other.node)
    if one.kind in ("variable", "attribute"):
        return (
            before.partition("=")[2:] == after.partition("=")[2:] and "=" in before and one.container == other.container
        )
    matcher = SequenceMatcher(None, before.split(), after.split(), autojunk=False)
    return matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _uses_of_module_name(
    gone: _Gone, files: list[PythonFile], changes: PythonChanges
) -> Iterator[tuple[PythonFile, Occurrence]]:
    home = gone.change.new
    if home.has_star_import or "__getattr__" in home.module_names:
        return
    for file in files:
        if file.path == home.path:
            yield from ((file, use) for use in _uses_at_home(gone.name, file))
        elif changes.tree.path_of_submodule(home.path, gone.name) is None:
            yield from ((file, use) for use in _uses_elsewhere(gone.name, file, home, changes))


def _uses_at_home(name: str, file: PythonFile) -> Iterator[Occurrence]:
    occurrences = file.occurrences(name)
    if hasattr(builtins, name) or any(each.role in _BINDING for each in occurrences):
        return
    for each in occurrences:
        # A module's own `__getattr__` gives others what it exports, not the module itself.
        is_exported = each.role == "string" and "__getattr__" not in file.module_names and _is_exported(file, each)
        if each.role == "load" or is_exported:
            yield each


def _is_exported(file: PythonFile, use: Occurrence) -> bool:
    """Is a string one of `__all__`?"""
    node = use.node.parent
    while node is not None and node.type in ("string", "list", "tuple", "concatenated_string"):
        node = node.parent
    target = node.child_by_field_name("left") if node is not None and node.type == "assignment" else None
    return target is not None and file.source.node_text(target) == "__all__"


def _uses_elsewhere(name: str, file: PythonFile, home: PythonFile, changes: PythonChanges) -> Iterator[Occurrence]:
    taken = list(changes.links.taken(file, name, home.path))
    lines = {each.line for each in taken if each.name}
    modules = {each.module for each in taken if each.module}
    if not taken:
        return
    occurrences = file.occurrences(name)
    for each in occurrences:
        if each.role == "import" and _import_line(each) in lines and not is_guarded(each):
            yield each
        elif each.role == "attribute" and not is_guarded(each):
            owner = _object_of(file, each)
            if owner in modules and not _is_bound_otherwise(file, owner):
                yield each


def _import_line(use: Occurrence) -> int:
    node = use.node
    while node.parent is not None and node.type != "import_from_statement":
        node = node.parent
    return node.start_point.row + 1


def _is_bound_otherwise(file: PythonFile, alias: str) -> bool:
    first = alias.split(".", maxsplit=1)[0]
    return any(each.role in ("binding", "definition") and not _is_alias(each) for each in file.occurrences(first))


def _is_alias(use: Occurrence) -> bool:
    return use.node.parent is not None and use.node.parent.type == "aliased_import"


def _object_of(file: PythonFile, use: Occurrence) -> str:
    """What stands before the point, as far as it is names; of `a.b.c` both the whole and what it ends with."""
    parent = use.node.parent
    owner = parent.child_by_field_name("object") if parent is not None else None
    if owner is None or owner.type not in ("identifier", "attribute"):
        return ""
    return file.source.node_text(owner)


def _uses_of_member(
    gone: _Gone, files: list[PythonFile], changes: PythonChanges
) -> Iterator[tuple[PythonFile, Occurrence]]:
    found = []
    for file in files:
        for each in file.occurrences(gone.name):
            if each.role in ("definition", "store", "keyword") or (
                each.role == "binding" and _is_class_level(file, each)
            ):
                return  # somebody defines it still
            if each.role == "string" and not gone.new_name:
                return
            if each.role == "attribute" and not is_guarded(each):
                found.append((file, each))
    is_evident = _is_evident(gone, len(found), changes)
    for file, each in found:
        is_meant = is_evident and not changes.is_written(file, each.line) and _may_be(gone, each)
        if is_meant or _is_of_class(gone, file, each):
            yield file, each


def _may_be(gone: _Gone, use: Occurrence) -> bool:
    """May a use be of what is gone, by its form? What is called was a function, as a rule."""
    return gone.definition.kind == "function" or call_of(use) is None


def _is_class_level(file: PythonFile, use: Occurrence) -> bool:
    return any(
        each.node.start_byte <= use.node.start_byte < each.node.end_byte
        for each in file.members.get(file.source.node_text(use.node), ())
    )


def _is_of_class(gone: _Gone, file: PythonFile, use: Occurrence) -> bool:
    """Is it taken from the class that lost it, or in that class from its own instance?"""
    owner = _object_of(file, use)
    lost_by = gone.definition.container.split(".")[-1]
    if owner == lost_by:
        return lost_by in file.module_names and not _foreign_bases(gone, lost_by)
    if owner in ("self", "cls"):
        is_own = _class_around(file, use) == lost_by and file.path == gone.change.new.path
        # A base from elsewhere may well have a method of that name; an attribute that it also sets is rare.
        is_set_here = gone.definition.kind == "attribute" and "_" in gone.name.strip("_")
        return is_own and (is_set_here or not _foreign_bases(gone, lost_by))
    return False


def _foreign_bases(gone: _Gone, name: str) -> bool:
    """Has the class, as it is now, a base that may have the name, or is it gone itself?"""
    new = gone.change.new
    return any(
        base not in ("object", "ABC", "abc.ABC", "Protocol", "Generic") for base in new.bases.get(name, ["?"])
    ) or ("__getattr__" in new.members)


def _class_around(file: PythonFile, use: Occurrence) -> str:
    node = use.node.parent
    while node is not None and node.type != "class_definition":
        node = node.parent
    name = node.child_by_field_name("name") if node is not None else None
    return "" if name is None else file.source.node_text(name)


def _is_evident(gone: _Gone, n_left: int, changes: PythonChanges) -> bool:
    """Did the change itself take the name away in more places than it left?

    Where more are left, they are as a rule another object's.
    """
    name = gone.name
    is_telling = "_" in name.strip("_") or (bool(gone.new_name) and len(name) >= _ONE_WORD)
    return is_telling and name not in LIBRARY_METHODS and n_left < changes.n_taken_away(name)


def _finding(file: PythonFile, use: Occurrence, names: tuple[str, str], related: Related, gone: str) -> Finding:
    name, new_name = names
    return finding_at(
        file.path,
        file.source,
        file.source.span(use.node),
        severity="warning",
        family="stale-name",
        function=file.function_around(use.node),
        message=f"`{name}` is now called `{new_name}`" if new_name else f"`{name}` {gone}",
        evidence=f"this change took away what it meant, in {related.path}",
        related=(related,),
        original=name,
        alternative=new_name,
    )
