"""Write a test: the model writes a test function, we put it where the project's tests stand, with what it imports."""

from __future__ import annotations

import textwrap

from dsassist.chat_actions.answer import code_in
from dsassist.chat_actions.code import Code, Definition, adds_errors, newline_of
from dsassist.chat_actions.imports import import_of
from dsassist.chat_actions.layout import Layout, layout_of
from dsassist.chat_actions.outcome import (
    Asking,
    FileChange,
    NothingToInsert,
    Subject,
    TextChange,
    chat_request,
    clipped,
)
from dsassist.chat_actions.written_test import NewTest, written_test

__all__ = ["ask_for_test"]

_INSTRUCTION = (
    "You write {title} tests with {framework}. You test what the code shows that it does, with simple values whose "
    "result is certain, and you answer with code alone, in one fenced block."
)
_QUESTION = """```
{code}
```
Write one short test of `{name}` with {framework}. {how} It checks two things. Do not repeat `{name}` itself."""
_HOW = {
    "pytest": "It is one function `test_{name}` with plain `assert`. The file begins with `{imports}`.",
    "unittest": "It is one method `test_{name}` of a `unittest.TestCase`. The file begins with `{imports}`.",
    "vitest": "It is one `test(...)` with `expect`. The file begins with `{imports}`.",
    "jest": "It is one `test(...)` with `expect`. The file begins with `{imports}`.",
    "node:test": "It is one `test(...)` with `assert.strictEqual` or `assert.deepStrictEqual`. "
    "The file begins with `{imports}`.",
    "go test": "It is one function `func Test{camel}(t *testing.T)` in the same package, without a table: each check "
    "is `if got := ...; got != want {{ t.Errorf(...) }}`.",
    "cargo test": "It is one function `#[test] fn test_{name}()` with `assert_eq!` or `assert!`, in a module "
    "with `use super::*;`.",
}
# Told in words alone, a small model writes a table that has no end.
_EXAMPLES = {
    "go test": (
        _QUESTION.format(
            code="func Half(a int) int {\n\treturn a / 2\n}",
            name="Half",
            framework="go test",
            how=_HOW["go test"].format(name="Half", camel="Half"),
        ),
        (
            "```go\nfunc TestHalf(t *testing.T) {\n"
            '\tif got := Half(4); got != 2 {\n\t\tt.Errorf("Half(4) = %v", got)\n\t}\n'
            '\tif got := Half(0); got != 0 {\n\t\tt.Errorf("Half(0) = %v", got)\n\t}\n}\n```'
        ),
    )
}
_MAX_TOKENS = 280


def ask_for_test(subject: Subject, code: Code, budget: int) -> Asking:
    """The question for a test of the function at the cursor; `NothingToInsert` where none can be written."""
    definition = code.definition_at(subject.start, subject.end)
    if definition is None:
        raise NothingToInsert("there is no function or class at the cursor to test")
    layout = layout_of(subject, code.language)
    if layout is None:
        raise NothingToInsert("save the file first, and not as a test, so that the place of its tests is known")
    name = definition.class_name or definition.name
    imports = import_of(subject, code, layout, name)
    camel = definition.name[:1].upper() + definition.name[1:]
    how = _HOW[layout.framework].format(name=definition.name, camel=camel, imports=imports.split("\n")[-1])
    question = _QUESTION.format(
        code=clipped(_shown(code, definition), budget), name=definition.name, framework=layout.framework, how=how
    )
    request = chat_request(
        _INSTRUCTION.format(title=code.form.title, framework=layout.framework),
        question,
        _MAX_TOKENS,
        example=_EXAMPLES.get(layout.framework),
    )
    return Asking(request, lambda answer: _place(code, definition, layout, imports, answer))


def _shown(code: Code, definition: Definition) -> str:
    """The function; a method with its class's head, so that the model sees how an object is made."""
    whole = code.text[definition.outer_start : definition.end]
    shown = textwrap.dedent(code.indentation_at(definition.outer_start) + whole)
    around = next((each for each in code.definitions if each.is_class and each.name == definition.class_name), None)
    if around is None:
        return shown
    inside = [each for each in code.definitions if around.start < each.start < around.end and not each.is_class]
    maker = next((each for each in inside if each.name in ("__init__", "constructor", around.name)), None)
    stop = maker.end if maker and maker.start != definition.start else min(each.outer_start for each in inside)
    return f"{code.text[around.outer_start : stop].rstrip()}\n\n{textwrap.indent(shown, '    ')}"


def _place(code: Code, definition: Definition, layout: Layout, imports: str, answer: str) -> FileChange:
    test = written_test(code_in(answer, code.language), code, definition, layout, imports)
    before = layout.text or ""
    newline = newline_of(before or code.text)
    is_rust = layout.framework == "cargo test"
    changes = _rust_changes(before, test) if is_rust else _changes(before, test, code.language)
    ours = tuple(TextChange(each.start, each.end, each.text.replace("\n", newline)) for each in changes)
    result = FileChange(layout.path, before, ours, is_new=layout.text is None)
    if adds_errors(code.language, before, result.after):
        raise NothingToInsert(
            f"the test that the model wrote for {definition.name} does not parse; nothing was inserted"
        )
    return result


def _changes(before: str, test: NewTest, language: str) -> tuple[TextChange, ...]:
    """New imports behind those that are there, the test at the end."""
    between = "\n\n" if language == "python" else "\n"
    if not before.strip():
        head = f"{test.imports}{between}" if test.imports else ""
        return (TextChange(0, len(before), f"{head}{test.code}"),)
    end = len(before.rstrip())
    changes = [TextChange(end, len(before), f"\n{between}{test.code}")]
    if test.imports:
        at = _behind_imports(before, language)
        changes.insert(0, TextChange(at, at, test.imports))
    return tuple(changes)


def _behind_imports(text: str, language: str) -> int:
    """The start of the line behind the last import at the top level; of the file where there is none."""
    code = Code(text, language)
    assert code.root is not None, "the language's grammar read the source file"
    kinds = (
        "import_statement",
        "import_from_statement",
        "future_import_statement",
        "import_declaration",
        "package_clause",
    )
    ends = [node.end_byte for node in code.root.children if node.type in kinds]
    if not ends:
        return 0
    end = code.offset(max(ends))
    stop = text.find("\n", end)
    return len(text) if stop < 0 else stop + 1


def _rust_changes(before: str, test: NewTest) -> tuple[TextChange, ...]:
    """Into the module of tests at the end of the file, or with a new one."""
    code = Code(before, "rust")
    assert code.root is not None, "the language's grammar read the source file"
    body = next(
        (
            found
            for node in code.root.children
            if node.type == "mod_item" and code.source(node).startswith(("mod tests", "mod test "))
            if (found := node.child_by_field_name("body")) is not None
        ),
        None,
    )
    inside = textwrap.indent(test.code, "    ")
    if body is not None:
        at = code.range_of(body)[1] - 1
        at = len(before[:at].rstrip())
        return (TextChange(at, at, f"\n\n{inside.rstrip()}"),)
    end = len(before.rstrip())
    module = f"\n\n#[cfg(test)]\nmod tests {{\n    use super::*;\n\n{inside}}}\n"
    return (TextChange(end, len(before), module),)
