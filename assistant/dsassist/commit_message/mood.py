"""The first verb of a subject, as custom has it: "Add", not "Added", "Adds" or "Adding"."""

from __future__ import annotations

import re

__all__ = ["in_imperative"]

_VERBS_TEXT = """
add allow apply avoid bump call change clean clarify convert correct create cut define delete deprecate describe disable
document drop enable ensure expose extract fix generate guard handle hide ignore implement improve include increase
initialize inline insert introduce keep load lower make merge modify move normalize optimize pass pin prepare prevent
protect provide raise reduce refactor refine remove rename reorder replace require resolve restore restrict retry return
revert reword rework rewrite run save set show simplify skip speed start stop store strip support swap switch tidy
tighten trim try turn update upgrade use validate verify wrap write
"""
# "Loading of ..." and "Parsing errors" begin with a thing; with these verbs it is hardly ever one.
_CONTINUOUS_TEXT = "add change fix implement improve move refactor remove rename replace update use"
_IRREGULAR = {
    "kept": "keep",
    "made": "make",
    "ran": "run",
    "rewrote": "rewrite",
    "wrote": "write",
}
_DOUBLING = frozenset(["cut", "drop", "pin", "run", "set", "skip", "stop", "strip", "swap", "trim", "wrap"])
_FIRST_WORD = re.compile(r"^((?:\w+(?:\([^)]*\))?!?: +)?)(\w+)\b(?![-'])")


def _third_person(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "x", "sh", "ch")) else f"{verb}s"


def _past(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ied"
    return f"{verb}d" if verb.endswith("e") else f"{_stem(verb)}ed"


def _continuous(verb: str) -> str:
    return f"{verb.removesuffix('e')}ing" if verb.endswith("e") else f"{_stem(verb)}ing"


def _stem(verb: str) -> str:
    return verb + verb[-1] if verb in _DOUBLING else verb


_VERBS = _VERBS_TEXT.split()
_IMPERATIVES = {
    **{_third_person(verb): verb for verb in _VERBS},
    **{_past(verb): verb for verb in _VERBS},
    **{_continuous(verb): verb for verb in _CONTINUOUS_TEXT.split()},
    **_IRREGULAR,
}


def in_imperative(subject: str) -> str:
    """The subject with its first verb in the imperative, behind a type such as `fix(cli):` too."""
    found = _FIRST_WORD.match(subject)
    if found is None or (verb := _IMPERATIVES.get(found[2].lower())) is None:
        return subject
    verb = verb.capitalize() if found[2][0].isupper() else verb
    return found[1] + verb + subject[found.end(2) :]
