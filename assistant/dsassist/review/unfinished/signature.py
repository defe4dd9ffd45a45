"""What a Python function takes, what a call gives, and whether that fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.review.unfinished.python_file import Definition, Occurrence, PythonFile

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Call", "Signature", "call_at", "call_of", "callables", "misfit", "signature_of"]

# By these a function still takes what it says.
_PLAIN_DECORATORS = frozenset(
    (
        *("staticmethod", "classmethod", "abstractmethod", "override", "final", "cache", "lru_cache", "deprecated"),
        *("contextmanager", "asynccontextmanager", "no_grad", "inference_mode"),
    )
)
_DATACLASS = "dataclass"
_KEYWORD_MARK, _POSITIONAL_MARK = "keyword_separator", "positional_separator"


@dataclass(frozen=True)
class Signature:
    """Parameters without `self` or `cls`.

    `positional` are in their order, the first `n_positional_only` of them without a name; `required` are those that
    have no default, by name and of both kinds. `takes_any` and `takes_any_keyword` tell of `*args` and `**kwargs`.
    """

    positional: tuple[str, ...] = ()
    keyword_only: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    n_positional_only: int = 0
    takes_any: bool = False
    takes_any_keyword: bool = False


@dataclass(frozen=True)
class Call:
    """The arguments of a call. `is_open`: some are unpacked (`*a`, `**k`), so that it is not known how many."""

    n_positional: int
    keywords: tuple[str, ...]
    is_open: bool


def signature_of(definition: Definition, file: PythonFile) -> Signature | None:
    """What a function, or a class by its constructor, takes; None where that cannot be told from its text."""
    if definition.kind == "class":
        return _constructor(definition, file)
    if definition.kind != "function" or any(_bare(each) not in _PLAIN_DECORATORS for each in definition.decorators):
        return None
    is_bound = bool(definition.container) and not any(_bare(each) == "staticmethod" for each in definition.decorators)
    parameters = definition.node.child_by_field_name("parameters")
    return None if parameters is None else _signature(parameters, file, is_bound)


def callables(file: PythonFile) -> dict[tuple[str, str], tuple[Definition, Signature]]:
    """What can be called, by container and name; what is defined twice (overloads, branches) is left out."""
    found: dict[tuple[str, str], tuple[Definition, Signature]] = {}
    seen: set[tuple[str, str]] = set()
    for each in file.definitions:
        key = each.container, each.name
        signature = None if key in seen else signature_of(each, file)
        if key in seen:
            found.pop(key, None)
        elif signature is not None and not (each.name.startswith("__") and each.name.endswith("__")):
            found[key] = each, signature
        seen.add(key)
    return found


def call_at(call: Node, file: PythonFile) -> Call | None:
    """The arguments that a call node gives; None for `f(x for x in y)`, which is no list of arguments."""
    arguments = call.child_by_field_name("arguments")
    if arguments is None or arguments.type != "argument_list":
        return None
    n_positional, keywords, is_open = 0, [], False
    for each in arguments.named_children:
        if each.type == "keyword_argument":
            name = each.child_by_field_name("name")
            keywords.append("" if name is None else file.source.node_text(name))
        elif each.type in ("list_splat", "dictionary_splat"):
            is_open = True
        elif each.type != "comment":
            n_positional += 1
    return Call(n_positional, tuple(keywords), is_open)


def call_of(use: Occurrence) -> Node | None:
    """The call whose function is the name, or the attribute that ends with it."""
    called = use.node
    if called.parent is not None and called.parent.type == "attribute":
        called = called.parent
    call = called.parent
    if call is None or call.type != "call" or call.child_by_field_name("function") != called:
        return None
    return call


def misfit(call: Call, signature: Signature) -> str:
    """Why a call does not fit, in words that follow the function's name; empty when it fits, or may fit."""
    named = signature.positional[signature.n_positional_only :]
    known = {*named, *signature.keyword_only}
    if not signature.takes_any_keyword:
        unknown = [each for each in call.keywords if each not in known]
        if unknown:
            return f"takes no argument `{unknown[0]}`"
    if call.n_positional > len(signature.positional) and not signature.takes_any:
        return f"takes {_counted(len(signature.positional))}, and {call.n_positional} are given"
    given = {*signature.positional[: call.n_positional], *call.keywords}
    twice = [each for each in call.keywords if each in signature.positional[: call.n_positional] and each in known]
    if twice:
        return f"is given `{twice[0]}` twice"
    order = (*signature.positional, *signature.keyword_only)
    missing = [each for each in order if each in signature.required and each not in given]
    if missing and not call.is_open:
        return f"needs `{missing[0]}`, which is not given"
    return ""


def _counted(n: int) -> str:
    return "no positional argument" if n == 0 else f"{n} positional argument{'s' if n > 1 else ''}"


def _bare(decorator: str) -> str:
    """Its own name, without module and arguments."""
    return decorator.split("(", maxsplit=1)[0].strip().rpartition(".")[2]


def _signature(parameters: Node, file: PythonFile, is_bound: bool) -> Signature:
    positional: list[str] = []
    keyword_only: list[str] = []
    required: set[str] = set()
    n_positional_only, takes_any, takes_any_keyword, is_keyword = 0, False, False, False
    for kind, name, has_default in _parameters(parameters, file):
        if kind == _POSITIONAL_MARK:
            n_positional_only = len(positional)
        elif kind == _KEYWORD_MARK:
            is_keyword = True
        elif kind == "list_splat_pattern":
            takes_any = is_keyword = True
        elif kind == "dictionary_splat_pattern":
            takes_any_keyword = True
        else:
            (keyword_only if is_keyword else positional).append(name)
            if not has_default:
                required.add(name)
    if is_bound and positional:
        required.discard(positional.pop(0))
        n_positional_only = max(0, n_positional_only - 1)
    return Signature(
        tuple(positional), tuple(keyword_only), frozenset(required), n_positional_only, takes_any, takes_any_keyword
    )


def _parameters(parameters: Node, file: PythonFile) -> Iterator[tuple[str, str, bool]]:
    """The type of each parameter's node, its name, and whether it has a default."""
    for each in parameters.named_children:
        if each.type in ("default_parameter", "typed_default_parameter"):
            name = each.child_by_field_name("name")
            yield "identifier", "" if name is None else file.source.node_text(name), True
        elif each.type == "typed_parameter" and each.named_children:
            inner = each.named_children[0]
            yield inner.type, file.source.node_text(inner), False
        elif each.type != "comment":
            yield each.type, file.source.node_text(each), False


def _constructor(definition: Definition, file: PythonFile) -> Signature | None:
    own = f"{definition.container}.{definition.name}".lstrip(".")
    initial = [each for each in file.members.get("__init__", ()) if each.container == own]
    other = [
        name for name in ("__new__", "__call__") if any(each.container == own for each in file.members.get(name, ()))
    ]
    if other or any(_bare(each) != _DATACLASS for each in definition.decorators):
        return None
    if definition.decorators:
        return _dataclass(definition, own, file) if not initial else None
    if len(initial) != 1 or _has_metaclass(definition, file):
        return None
    return signature_of(initial[0], file)


def _has_metaclass(definition: Definition, file: PythonFile) -> bool:
    bases = definition.node.child_by_field_name("superclasses")
    return bases is not None and "metaclass" in file.source.node_text(bases)


def _dataclass(definition: Definition, own: str, file: PythonFile) -> Signature | None:
    """The constructor that `@dataclass` writes; None for one with bases, or with options for its fields."""
    if (
        file.bases.get(definition.name)
        or "kw_only" in "".join(definition.decorators)
        or "init" in "".join(definition.decorators)
    ):
        return None
    names: list[str] = []
    required: set[str] = set()
    for each in file.definitions:
        if each.container != own or each.kind != "variable" or each.node.child_by_field_name("type") is None:
            continue
        written = file.source.node_text(each.node)
        if any(word in written for word in ("init=", "ClassVar", "KW_ONLY", "InitVar", "kw_only")):
            return None
        names.append(each.name)
        value = each.node.child_by_field_name("right")
        if value is None or (
            written.partition("=")[2].strip().startswith(("field(", "dataclasses.field(")) and "default" not in written
        ):
            required.add(each.name)
    return Signature(positional=tuple(names), required=frozenset(required))
