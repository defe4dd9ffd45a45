"""GBNF, llama.cpp's grammar language, rewritten as the Lark dialect of llguidance.

The rewriting goes token by token. Each character becomes a terminal of its own: llguidance's lexer takes the longest
terminal, so that `[a-z]+ "x"` would match nothing, while GBNF knows characters only. The package's own converter
(`llguidance.gbnf_to_lark`) makes that very mistake.

    root ::= "ab" | item*      start: (/\\x{61}/ /\\x{62}/) | (r_item)*
    item ::= [^,\\n] ","       r_item: /[^\\x{2c}\\x{a}]/ (/\\x{2c}/)

Syntax: `grammars/README.md` of llama.cpp; what its parser (`llama_grammar_parser`) allows is allowed here, and left
recursion too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["GbnfError", "lark_from_gbnf"]

_LONGEST = 50_000  # characters; llguidance counts its symbols in 16 bits
_DEEPEST = 30  # groups within groups; llguidance refuses more than 35

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\#[^\r\n]*)
      | (?P<newline>\r\n?|\n)
      | (?P<define>::=)
      | (?P<name>[A-Za-z0-9-]+)
      | "(?P<literal>(?:[^"\\]|\\.)*)"
      | \[(?P<inverse>\^?)(?P<characters>(?:[^\]\\]|\\.)*)\]
      | (?P<other>!?)(?P<token><(?:\[\d{1,9}\]|[^>\r\n]*)>)
      | (?P<repeat>[*+?]|\{[ \t]*\d{1,9}[ \t]*(?:,[ \t]*(?:\d{1,9}[ \t]*)?)?\})
      | (?P<mark>[.|()])""",
    re.VERBOSE | re.DOTALL,
)
_CHARACTER = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([trn\\\"\[\]-]))|([^\\])", re.DOTALL
)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}


class GbnfError(ValueError):
    """The text is no GBNF; the message says where and why."""


@dataclass
class _Group:
    """Alternatives that are being read: the finished ones, and the items of the last."""

    finished: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)

    def next_alternative(self) -> None:
        self.finished.append(" ".join(self.items) or '""')
        self.items = []

    def text(self) -> str:
        self.next_alternative()
        return " | ".join(self.finished)


def lark_from_gbnf(text: str, token_of: Callable[[str], int | None]) -> str:
    """The same grammar for llguidance; `token_of` finds the one token of a text such as `<|im_end|>`.

    `GbnfError` when the text is no GBNF, names a rule that is missing, or is longer than 50,000 characters.
    """
    if len(text) > _LONGEST:
        raise GbnfError(f"it has {len(text)} characters, {_LONGEST} are the most")
    rules = _Reader(text, token_of).rules()
    if "root" not in rules:
        raise GbnfError("it has no rule `root`")
    return "\n".join(f"{_rule_name(name)}: {body}" for name, body in rules.items())


class _Reader:
    def __init__(self, text: str, token_of: Callable[[str], int | None]) -> None:
        self._text = text
        self._token_of = token_of
        self._at = 0
        self._used: dict[str, int] = {}  # rule: where it is first used

    def rules(self) -> dict[str, str]:
        """Each rule with its body in Lark; of two rules with a name, the later one."""
        rules: dict[str, str] = {}
        while (found := self._next(newlines=True)) is not None:
            if found.lastgroup != "name":
                raise self._error("a rule begins with its name", found.start())
            define = self._next(newlines=False)
            if define is None or define.lastgroup != "define":
                raise self._error(f"`::=` is missing behind `{found.group()}`", found.end())
            rules[found.group()] = self._body()
        for name, at in self._used.items():
            if name not in rules:
                raise self._error(f"the rule `{name}` is used but not defined", at)
        return rules

    def _body(self) -> str:
        groups = [_Group()]
        newlines = True  # a line may break behind `::=` and `|`, and anywhere in a group
        while True:
            before = self._at
            found = self._next(newlines=newlines or len(groups) > 1)
            if found is None or found.lastgroup == "newline":
                break
            if found.lastgroup == "define":
                raise self._error("a rule begins on a line of its own", before)
            newlines = found.group() == "|"
            if found.lastgroup == "mark" and found.group() != ".":
                self._mark(found, groups)
            elif found.lastgroup == "repeat":
                self._repeat(found, groups[-1].items)
            else:
                groups[-1].items.append(self._item(found))
        if len(groups) > 1:
            raise self._error("a group is not closed", self._at)
        return groups[0].text()

    def _mark(self, found: re.Match[str], groups: list[_Group]) -> None:
        if found.group() == "|":
            groups[-1].next_alternative()
        elif found.group() == "(":
            if len(groups) > _DEEPEST:
                raise self._error(f"groups stand in groups more than {_DEEPEST} deep", found.start())
            groups.append(_Group())
        elif len(groups) == 1:
            raise self._error("`)` closes nothing", found.start())
        else:
            group = groups.pop()
            groups[-1].items.append(f"({group.text()})")

    def _repeat(self, found: re.Match[str], items: list[str]) -> None:
        if not items:
            raise self._error(f"`{found.group()}` has nothing to repeat", found.start())
        times = [int(number) for number in re.findall(r"\d+", found.group())]
        if len(times) == 2 and times[0] > times[1]:
            raise self._error(f"`{found.group()}` has its numbers the wrong way round", found.start())
        items[-1] = f"({items[-1]}){''.join(found.group().split())}"

    def _item(self, found: re.Match[str]) -> str:
        if found.lastgroup == "name":
            self._used.setdefault(found.group(), found.start())
            return _rule_name(found.group())
        if found["literal"] is not None:
            characters = self._characters(found["literal"], found.start("literal"))
            return "(" + (" ".join(f"/{_spelled(code)}/" for code, _ in characters) or '""') + ")"
        if found["characters"] is not None:
            return f"/[{found['inverse']}{self._ranges(found)}]/"
        if found["token"] is not None:
            return self._token(found)
        return "/[\\x{0}-\\x{10ffff}]/"  # the dot

    def _ranges(self, found: re.Match[str]) -> str:
        characters = self._characters(found["characters"], found.start("characters"))
        if not characters:
            raise self._error("`[]` has no characters", found.start())
        parts, at = [], 0
        while at < len(characters):
            first = characters[at][0]
            if characters[at + 1 : at + 2] == [(ord("-"), False)] and at + 2 < len(characters):
                last = characters[at + 2][0]
                if last < first:
                    raise self._error("a range of characters runs backwards", found.start())
                parts.append(f"{_spelled(first)}-{_spelled(last)}")
                at += 3
            else:
                parts.append(_spelled(first))
                at += 1
        return "".join(parts)

    def _characters(self, text: str, start: int) -> list[tuple[int, bool]]:
        """The code points of a literal or a class, and whether each was written with a backslash."""
        codes, at = [], 0
        while at < len(text):
            found = _CHARACTER.match(text, at)
            if found is None:
                raise self._error(f"`{text[at : at + 2]}` is no escape that GBNF knows", start + at)
            *numbers, escaped, plain = found.groups()
            number = next((number for number in numbers if number), None)
            code = int(number, 16) if number is not None else ord(plain or _ESCAPES.get(escaped, escaped))
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise self._error(f"`{found.group()}` is no character", start + at)
            codes.append((code, plain is None))
            at = found.end()
        return codes

    def _token(self, found: re.Match[str]) -> str:
        text = found["token"]
        token = int(text[2:-2]) if text.startswith("<[") else self._token_of(text)
        if token is None:
            raise self._error(f"`{text}` is no token of this model", found.start())
        return f"<[{'^' if found['other'] else ''}{token}]>"

    def _next(self, *, newlines: bool) -> re.Match[str] | None:
        """The next token behind blanks and comments, and with `newlines` behind line breaks; None at the end."""
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                raise self._error(f"`{self._text[self._at]}` belongs to nothing", self._at)
            self._at = found.end()
            if found.lastgroup != "space" and not (newlines and found.lastgroup == "newline"):
                return found
        return None

    def _error(self, reason: str, at: int) -> GbnfError:
        return GbnfError(f"line {self._text.count(chr(10), 0, at) + 1}: {reason}")


def _rule_name(name: str) -> str:
    # Lark's rules are lower case, without a dash: A-b and a--b stay apart by the escaping.
    return "start" if name == "root" else "r_" + re.sub("[A-Z-]", lambda found: f"_{ord(found.group()):x}_", name)


def _spelled(code: int) -> str:
    return f"\\x{{{code:x}}}"
