"""What a good small model is to get right: ordinary completions, and bugs in ordinary changes.

The completions are the likeliest ones (temperature 0), through the command that a person types.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import main
from hook_repositories import git

pytestmark = [pytest.mark.real_model, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
HERE = "█"

DOCUMENTS = {
    "the body of mean()": '''\
def mean(values: list[float]) -> float:
    """The arithmetic mean; ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    █
''',
    "a loop over places": '''\
def pairs(items):
    """Each item with its place."""
    for i in range(len(█
        print(i, items[i])
''',
    "inside the brackets of a call": """\
name = input("Your name: ")
greeting = f"Hello, {name}!"
print(█)
""",
    "the arguments of one's own function": """\
def area(width, height):
    return width * height


width = 3
height = 4
print(area(█))
""",
    "the last entry of a dict": """\
COLOURS = {
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": █
}
""",
    "the next entry of a dict": '''\
def as_dict(user):
    """The user as JSON wants it."""
    return {
        "name": user.name,
        "email": user.email,
        "age": █
    }
''',
    "a class's __repr__": """\
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __repr__(self):
        █
""",
    "a method below its docstring": '''\
class Rectangle:
    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height

    def area(self) -> float:
        """The surface of the rectangle."""
        █

    def perimeter(self) -> float:
        """The length of the border."""
        return 2 * (self.width + self.height)
''',
    "several lines of a method": '''\
class Stack:
    def __init__(self):
        self._items = []

    def push(self, item):
        """Put an item on top."""
        self._items.append(item)

    def pop(self):
        """Take the topmost item off and return it."""
        █
''',
    "the other half of a comparison": """\
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __eq__(self, other):
        return self.x == other.x and █
""",
    "the body of a loop": '''\
def total(orders):
    """The sum of the prices of the orders."""
    result = 0
    for order in orders:
        █
    return result
''',
}

Completions = dict[str, str]


def complete(path: Path, document: str, model: Path) -> str:
    """What `dsassist complete` prints for the mark in the document, without the line end of the terminal."""
    before, after = document.split(HERE)
    path.write_text(before + after)
    place = f"{path}:{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["complete", place, "--model", str(model), "--temperature", "0"]) == 0
    return out.getvalue().removesuffix("\n")


def demo_places() -> list[tuple[str, str, str]]:
    """File, line, and how much of the line is typed, as scripts/demo has them."""
    lines = (ROOT / "scripts" / "demo").read_text().splitlines()
    places = [shlex.split(line)[1:] for line in lines if line.startswith("complete_at ")]
    return [(file, whole, typed) for file, whole, typed in places]


@pytest.fixture(scope="module")
def completions(real_model: Path) -> Iterator[Completions]:
    """All completions by name, from one server: loading the model for each would take most of the time."""
    home = Path(tempfile.mkdtemp(prefix="dsa-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSASSIST_HOME", str(home / "d"))
        patch.setenv("DSASSIST_ENGINE_IDLE_TIMEOUT_S", "60")
        found = {name: complete(home / "a.py", text, real_model) for name, text in DOCUMENTS.items()}
        for file, whole, typed in demo_places():
            text = (ROOT / file).read_text().replace(f"\n{whole}\n", f"\n{typed}{HERE}\n", 1)
            found[whole] = complete(home / "a.py", text, real_model)
        yield found
        main(["serve", "--stop"])
    shutil.rmtree(home)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("the body of mean()", "return sum(values) / len(values)"),
        ("a loop over places", "items)):"),
        ("inside the brackets of a call", "greeting"),
        ("the arguments of one's own function", "width, height"),
        ("the last entry of a dict", '"#0000ff",'),
        ("the next entry of a dict", "user.age,"),
        ("a method below its docstring", "return self.width * self.height"),
        ("the other half of a comparison", "self.y == other.y"),
        ("the body of a loop", "result += order.price"),
    ],
)
def test_completion_is_the_one_that_anybody_would_write(completions: Completions, name: str, text: str) -> None:
    assert completions[name] == text


def test_repr_names_the_class_and_its_fields(completions: Completions) -> None:
    text = completions["a class's __repr__"]
    assert text.startswith("return f")
    assert "\n" not in text
    space: dict[str, Any] = {}
    exec(DOCUMENTS["a class's __repr__"].replace(HERE, text), space)
    assert repr(space["Point"](1, -2)) in ("Point(1, -2)", "Point(x=1, y=-2)", "<Point(1, -2)>")


def test_method_of_several_lines_does_what_its_docstring_says(completions: Completions) -> None:
    space: dict[str, Any] = {}
    exec(DOCUMENTS["several lines of a method"].replace(HERE, completions["several lines of a method"]), space)
    stack = space["Stack"]()
    stack.push(1)
    stack.push(2)
    assert (stack.pop(), stack.pop()) == (2, 1)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_parses_with_the_completion_and_nothing_stands_twice(completions: Completions, name: str) -> None:
    before, after = DOCUMENTS[name].split(HERE)
    text = completions[name]
    ast.parse(before + text + after)
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 10]
    assert not set(lines) & {line.strip() for line in after.splitlines()}
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("place", demo_places(), ids=lambda place: place[1].strip())
def test_completions_of_the_demo_are_kept_by_a_person(completions: Completions, place: tuple[str, str, str]) -> None:
    _, whole, typed = place
    assert completions[whole].strip() == whole.removeprefix(typed).strip()


# -- reviews: file, code before (unstaged context), the bug on the changed line, and the line as it should be


CLAMP = '''\
def clamp(value, low, high):
    """Limit value to the range from low to high."""
    if value < low:
        return low
    @
        return high
    return value
'''

RETRY = '''\
import time


def fetch_with_retry(session, url, attempts=3, delay=0.5):
    """Fetch a URL, trying again when the server is busy."""
    last_error = None
    for attempt in range(attempts):
        try:
            response = session.get(url, timeout=10)
            response.raise_for_status()
            return response.json()
        except ConnectionError as error:
            last_error = error
            @
    raise last_error
'''

PARSE_DAY = '''\
from datetime import datetime


def parse_day(text, pattern="%Y-%m-%d"):
    """The day that a text names, or None."""
    try:
        @
    except ValueError:
        return None
'''

LOAD = '''\
import json
from pathlib import Path


def load(path: Path) -> dict:
    """The settings in a file; none when there is no file."""
    @
        return {}
    return json.loads(path.read_text())
'''

CHANGES = {  # file: (code, the line before the change, the bug, the fix)
    "clamp.py": (CLAMP, "if False:", "if value > low:", "if value > high:"),
    "retry.py": (RETRY, "pass", "time.sleep(attempt * url)", "time.sleep(delay * 2 ** attempt)"),
    "day.py": (
        PARSE_DAY,
        "return None",
        "return datetime.strptime(pattern, text).date()",
        "return datetime.strptime(text, pattern).date()",
    ),
    "load.py": (LOAD, "if False:", "if path.exists():", "if not path.exists():"),
}


def test_four_bugs_are_found_and_their_fixes_are_silent(
    real_model: Path, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    git("init", "-q", cwd=tmp_path)

    def stage(line_of: Callable[[tuple[str, str, str, str]], str]) -> None:
        for name, change in CHANGES.items():
            (tmp_path / name).write_text(change[0].replace("@", line_of(change)))
        git("add", ".", cwd=tmp_path)

    def review() -> tuple[int, dict[str, Any]]:
        code = main(["review", "--format", "json", "--model", str(real_model), "--deadline", "120"])
        return code, json.loads(capsys.readouterr().out)

    stage(lambda change: change[1])
    git("commit", "-q", "-m", "before", cwd=tmp_path)

    stage(lambda change: change[2])
    code, found = review()
    assert code == 1
    assert found["reviewed"] == {"functions": 4, "files": 4}
    assert {(each["path"], each["code"], each["original"], each["alternative"]) for each in found["findings"]} == {
        ("clamp.py", "DSA101", "low", "high"),
        ("retry.py", "DSA101", "url", "delay"),
        ("day.py", "DSA105", "pattern, text", "text, pattern"),
        ("load.py", "DSA106", "path.exists()", "not path.exists()"),
    }
    for each in found["findings"]:
        code_of, _, bug, _ = CHANGES[each["path"]]
        assert bug in code_of.replace("@", bug).splitlines()[each["line"] - 1], "the finding is on the changed line"

    stage(lambda change: change[3])
    code, found = review()
    assert found["findings"] == []
    assert code == 0
