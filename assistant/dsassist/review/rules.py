"""What a review can find: the code, the name and the meaning of each family of findings.

DSA0xx  true without any model     DSA1xx  the model finds an alternative far likelier
DSA2xx  a change is not finished   DSA3xx  an instruct model reports it
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RULES", "Rule", "rule_of"]


@dataclass(frozen=True)
class Rule:
    """A family of findings. `summary` is a sentence for lists of rules."""

    code: str
    family: str
    summary: str


RULES = (
    Rule("DSA001", "secret", "A key, a token or a password is about to be committed."),
    Rule("DSA002", "merge-marker", "A merge conflict is not resolved."),
    Rule("DSA003", "debugger", "A call into a debugger was left in."),
    Rule("DSA004", "syntax-error", "The change brings a syntax error."),
    Rule("DSA101", "name", "Another name that the function uses is far likelier here."),
    Rule("DSA102", "attribute", "Another attribute that the function uses on such an object is far likelier here."),
    Rule("DSA103", "comparison", "Another comparison is far likelier here."),
    Rule("DSA104", "boolean", "`and` and `or` may be mixed up."),
    Rule("DSA105", "swapped-arguments", "Two neighbouring arguments may be swapped."),
    Rule("DSA106", "missing-not", "A condition may be the wrong way round."),
    Rule("DSA107", "missing-await", "`await` may be missing before a call."),
    Rule("DSA108", "arithmetic", "Another arithmetic operator is far likelier here."),
    Rule("DSA109", "bitwise", "Another operator on bits is far likelier here."),
    Rule("DSA110", "off-by-one", "A number or an index may be off by one."),
    Rule("DSA111", "bound", "The bound of a slice or a range may be off by one."),
    Rule("DSA112", "swapped-operands", "The operands of an operator may be swapped."),
    Rule("DSA113", "dropped-operand", "An operand may be superfluous."),
    Rule("DSA114", "identity", "Identity and equality may be mixed up."),
    Rule("DSA115", "any-all", "`any` and `all` may be mixed up."),
    Rule("DSA116", "min-max", "`min` and `max` may be mixed up."),
    Rule("DSA117", "flag", "True and False may be mixed up."),
    Rule("DSA118", "default-argument", "Another default value is far likelier here."),
    Rule("DSA119", "exception", "Another type of exception is far likelier here."),
    Rule("DSA120", "missing-self", "`self.` may be missing before a name."),
    Rule("DSA121", "missing-return", "`return` may be missing before a call."),
    Rule("DSA122", "file-attribute", "Another attribute that the file uses on such an object is far likelier here."),
    Rule("DSA123", "file-name", "Another name that the file uses is far likelier here."),
    Rule("DSA141", "missing-guard", "The model would write a condition with a part more."),
    Rule("DSA142", "missing-argument", "The model would pass an argument more."),
    Rule("DSA143", "missing-call", "The model would put a call around an expression, or behind it."),
    Rule("DSA144", "missing-part", "The model would write an expression with a part more."),
    Rule("DSA145", "superfluous-part", "The model would leave a part of an expression out."),
    Rule("DSA146", "other-expression", "The model would write another expression here."),
    Rule("DSA147", "other-line", "The model would write another statement here."),
    Rule("DSA201", "stale-name", "A name that the change removed or renamed is still used."),
    Rule("DSA202", "stale-call", "A call no longer fits the signature that the change altered."),
    Rule("DSA203", "uneven-copy", "A copied block kept the old name in one place."),
    Rule("DSA204", "left-twin", "The same line stands elsewhere in its old form."),
    Rule("DSA205", "lone-mirror", "One of a mirrored pair was changed, and the other was not."),
    Rule("DSA206", "given-twice", "The same name, key or condition is given twice, and one of them is lost."),
    Rule("DSA301", "asked-condition", "An instruct model reports a wrong condition."),
    Rule("DSA302", "asked-value", "An instruct model reports a wrong name, number or expression."),
    Rule("DSA303", "asked-check", "An instruct model misses a check of what may be empty, zero or absent."),
    Rule("DSA304", "asked-call", "An instruct model reports a wrong call, or a wrong or missing argument."),
    Rule("DSA305", "asked-result", "An instruct model reports a wrong or missing result."),
    Rule("DSA306", "asked-cleanup", "An instruct model reports what is not closed, released or awaited."),
)
"""By code."""

_OF_FAMILY = {rule.family: rule for rule in RULES}


def rule_of(family: str) -> Rule:
    """The rule of a family; `KeyError` for one that is not listed."""
    return _OF_FAMILY[family]
