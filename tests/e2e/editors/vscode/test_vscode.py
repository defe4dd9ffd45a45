"""The extension in a real VS Code, with the real server and the builtin model.

What happens on the screen stands in `scenarios/`. One window plays most of them, each with files of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.editors.repeated import BEFORE
from hook_repositories import git, write_program

if TYPE_CHECKING:
    from conftest import VSCode

HERE = Path(__file__).parent
DSASSIST = str(Path(sys.executable).with_name("dsassist"))

# The first of these tests waits for the set-up, which takes minutes on a machine that has nothing of it yet.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TYPED = "is "
EMOJI_AND_CRLF = "# \U0001f600\r\n\r\nif '\U0001f600' "
READING = "import sys\n\n\ndef read(path):\n    with open(path) as file:\n        return file.read()\n"
ORDERS = '''"""What is ordered in the shop."""

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int


@dataclass
class Order:
    items: list[Item]

    def total(self) -> float:
        """The price of all items, each as often as it is ordered."""
        '''
SOURCES = {
    "assistant/dsassist/__init__.py": "",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": f"""
import zipfile

FILES = {{
    "dsassist-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: dsassist\\nVersion: 1\\n",
    "dsassist-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "dsassist-1.data/scripts/dsassist": '#!/bin/sh\\nexec "{DSASSIST}" "$@"\\n',
}}


def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(folder + "/dsassist-1-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            file = zipfile.ZipInfo(name)
            file.external_attr = 0o100755 << 16  # a program, else pip installs one that cannot be run
            wheel.writestr(file, text)
        wheel.writestr("dsassist-1.dist-info/RECORD", "".join(name + ",,\\n" for name in FILES))
    return "dsassist-1-py3-none-any.whl"
""",
}
IN_BRACKETS = ("def first(items):\n    if ", "isinstance(")


def play(vscode: VSCode, scenario: str, before: str = BEFORE, typed: str = TYPED, file: str = "") -> None:
    """Play a scenario in the one window, in a file of its own."""
    file = file or f"{scenario}.py"
    vscode.play(scenario, vscode.workspace("w", {file: before}), file=file, before=before, typed=typed)


def test_the_package_is_small_and_holds_what_it_shows(vscode: VSCode) -> None:
    package = vscode.extension / "dsassist.vsix"
    assert package.stat().st_size <= 1_500_000
    listed = zipfile.ZipFile(package).namelist()
    for name in ("dist/extension.js", "media/icon.png", "walkthrough/install.md"):
        assert f"extension/{name}" in listed
    assert not [name for name in listed if "node_modules" in name or name.endswith(".ts")]


def test_the_program_is_found_where_people_have_it(vscode: VSCode) -> None:
    command = [str(vscode.tools / "node"), "--test", str(HERE / "find.test.mjs")]
    environment = vscode.environment | {"EXTENSION": str(vscode.extension)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ghost_text_comes_tab_takes_it_and_undo_takes_it_back(vscode: VSCode) -> None:
    play(vscode, "ghost_text")


def test_a_word_and_a_line_are_taken_and_typing_along_keeps_the_rest(vscode: VSCode) -> None:
    play(vscode, "parts")


def test_ghost_text_goes_when_something_else_is_typed(vscode: VSCode) -> None:
    play(vscode, "typing_differs")


def test_brackets_that_the_editor_closed_are_closed_once(vscode: VSCode) -> None:
    play(vscode, "brackets", *IN_BRACKETS)


def test_an_entry_of_the_menu_is_taken_as_it_is_beside_ghost_text(vscode: VSCode) -> None:
    before = "# import\n"
    workspace = vscode.workspace("w", {"menu.rb": before})
    vscode.play("menu_beside", workspace, file="menu.rb", before=before, typed="im", entry="import")


def test_other_texts_come_by_hand_and_keys_go_from_one_to_the_next(vscode: VSCode) -> None:
    play(vscode, "alternatives", "import", " ")


def test_two_windows_have_ghost_text_of_their_own_and_one_model(vscode: VSCode) -> None:
    first, second = (vscode.workspace(name, {"two_windows.py": BEFORE}) for name in ("w", "w2"))
    vscode.play("two_windows", first, file="two_windows.py", before=BEFORE, typed=TYPED, second=str(second))


def test_one_of_two_editors_on_a_file_shows_the_ghost_text_and_takes_it(vscode: VSCode) -> None:
    play(vscode, "two_editors")


def test_crlf_and_surrogate_pairs_before_the_cursor_are_no_trouble(vscode: VSCode) -> None:
    play(vscode, "odd_documents", EMOJI_AND_CRLF, file="emoji.py")


def test_a_file_of_30000_lines_is_completed_at_its_end(vscode: VSCode) -> None:
    play(vscode, "odd_documents", 30_000 * "\n" + BEFORE, file="long.py")


def test_a_file_above_4_mb_is_left_alone_and_the_status_says_so(vscode: VSCode) -> None:
    play(vscode, "too_large", 70_000 * f"# {58 * '.'}\n" + BEFORE)


def test_a_file_that_cannot_be_written_has_no_ghost_text(vscode: VSCode) -> None:
    play(vscode, "read_only")


def test_the_status_bar_names_the_model_and_its_menu_snoozes(vscode: VSCode) -> None:
    play(vscode, "status")


def test_the_status_bar_tells_how_much_is_loaded_and_when_a_completion_takes_its_time(vscode: VSCode) -> None:
    slow = vscode.root / "slow"
    spoil(vscode, slow, "slow_motion 0")
    workspace = vscode.workspace("slowly", {"busy.py": BEFORE + "is"}, {"dsassist.path": str(slow)})
    vscode.play("busy", workspace, file="busy.py", typed=" ")


def test_a_model_that_is_not_there_is_told_by_the_status_bar_and_its_menu(vscode: VSCode) -> None:
    workspace = vscode.workspace("w", {"wrong.py": BEFORE})
    machine, sentence = str(vscode.machine_settings), "/nowhere/model.gguf"
    vscode.play("wrong_model", workspace, file="wrong.py", typed=TYPED, machine=machine, sentence=sentence)


def test_the_log_says_what_was_started(vscode: VSCode) -> None:
    if not vscode.has_logs:
        pytest.skip("code-server has no logs here: @vscode/spdlog could not be built, which takes a C++ compiler")
    vscode.play("log", vscode.workspace("w"), program=str(vscode.program))


def test_the_statistics_are_a_page_in_a_tab(vscode: VSCode) -> None:
    play(vscode, "statistics")


def test_the_last_completion_is_explained_beside_the_code(vscode: VSCode) -> None:
    play(vscode, "explain")


def test_settings_hold_as_soon_as_they_are_changed(vscode: VSCode) -> None:
    play(vscode, "settings")


def test_a_finding_is_marked_and_its_quick_fix_takes_it_away(vscode: VSCode) -> None:
    vscode.play("review", vscode.workspace("w"), file=changed_file(vscode, "w"))


def test_reviews_by_command_and_a_dismissal_taken_back(vscode: VSCode) -> None:
    file = changed_file(vscode, "commanded")
    repository = vscode.root / "commanded" / "repository"
    (repository / "committed.py").write_text("def halt():\n    breakpoint()\n")
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "Halt", cwd=repository)
    (repository / "review.py").write_text("def add(a, b):\n    breakpoint()\n    return a + b\n")
    git("add", ".", cwd=repository)
    vscode.play("review_commands", vscode.workspace("commanded"), file=file, finding=r"review\.py:2:5: .*\[DSA003\]")


def test_nothing_that_an_untrusted_workspace_holds_is_started(vscode: VSCode) -> None:
    marks = vscode.root / "started"
    named = vscode.root / "restricted" / "named"
    workspace = vscode.workspace("restricted", {"sample.py": BEFORE}, {"dsassist.path": str(named)})
    for program in (named, workspace / ".venv" / "bin" / "dsassist"):
        write_program(program, f'echo "$0" >> "{marks}"', f'exec "{DSASSIST}" "$@"')
    with vscode.trusting_nothing():
        vscode.play("restricted", workspace, file="sample.py", typed=TYPED, marks=str(marks))


def test_a_killed_server_is_replaced_without_a_word(vscode: VSCode) -> None:
    play(vscode, "crash")


def test_each_folder_of_a_workspace_has_its_own_configuration(vscode: VSCode) -> None:
    files = {"one/first.py": BEFORE, "two/second.py": BEFORE, "two/dsassist.toml": "[completion]\nenabled = false\n"}
    workspace = vscode.workspace("both", files)
    described = workspace / "both.code-workspace"
    described.write_text(json.dumps({"folders": [{"path": "one"}, {"path": "two"}]}))
    vscode.play("multi_root", workspace, typed=TYPED, workspaceFile=str(described))


def test_without_the_program_one_message_leads_to_help(vscode: VSCode) -> None:
    workspace = vscode.workspace("without", {"sample.py": BEFORE}, {"dsassist.path": "/nowhere/dsassist"})
    vscode.play("missing", workspace, file="sample.py", typed=TYPED, program=DSASSIST)


def test_the_offer_to_install_it_leads_to_completions(vscode: VSCode) -> None:
    """The sources are those of a program that is there already: compiling llama.cpp would take ten minutes."""
    sources = vscode.workspace("sources", SOURCES)
    workspace = vscode.workspace("install", {"sample.py": BEFORE})
    vscode.program.unlink()
    try:
        vscode.play("install", workspace, file="sample.py", typed=TYPED, sources=str(sources))
    finally:
        vscode.program.symlink_to(DSASSIST)


def test_a_server_that_always_ends_is_started_later_each_time_and_then_told_of_once(vscode: VSCode) -> None:
    workspace = vscode.workspace("without", {"sample.py": BEFORE}, {"dsassist.path": DSASSIST})
    program = vscode.root / "hopeless"
    write_program(program, f'date +%s.%N >> "{workspace}/starts"', "exit 1")
    vscode.play("hopeless", workspace, program=str(program), starts="starts")
    starts = [float(line) for line in (workspace / "starts").read_text().split()]
    for (one, next_one), pause_s in zip(pairwise(starts), (0.5, 1, 2, 4), strict=True):
        assert next_one - one >= pause_s  # a busy machine only makes it more


def test_the_extension_does_what_it_says_in_the_extension_host(vscode: VSCode) -> None:
    plain = ("sample", "excluded", "parts", "along", "differing", "locked", "menu", "again")
    files = {f"{name}.py": BEFORE + "is" for name in plain} | {
        "brackets.py": "def first(items):\n    if",
        "odd.py": EMOJI_AND_CRLF + "is",
        "long.py": 30_000 * "\n" + BEFORE + "is",
        "dsassist.toml": '[completion]\nexclude = ["excluded.py"]\n',
    }
    changed_file(vscode, "host")
    workspace = vscode.workspace("host", files, {"dsassist.model": "qwen2.5-coder-0.5b"})
    payload = [
        ["extensionDevelopmentPath", str(vscode.extension)],
        ["extensionTestsPath", str(HERE / "in_extension_host" / "index")],
    ]
    vscode.play("in_extension_host", workspace, payload=payload)


@pytest.mark.real_model
def test_a_real_model_completes_a_line_as_a_person_would(vscode: VSCode, real_model: Path) -> None:
    workspace = vscode.workspace("shop", {"orders.py": ORDERS})
    with vscode.using_model(str(real_model)):
        vscode.play(
            "real_model",
            workspace,
            file="orders.py",
            before=ORDERS,
            typed="return sum(",
            model=real_model.name,
            expected=r"item.*price.*self\.items",
        )


def test_how_long_a_text_takes_from_the_key_to_the_screen_is_printed(vscode: VSCode) -> None:
    vscode.play("latency", vscode.workspace("w", {"latency.py": READING}), file="latency.py", model="builtin")


@pytest.mark.real_model
def test_how_long_a_real_models_text_takes_is_printed(vscode: VSCode, real_model: Path) -> None:
    with vscode.using_model(str(real_model)):
        vscode.play("latency", vscode.workspace("w", {"latency.py": READING}), file="latency.py", model=real_model.name)


@pytest.mark.parametrize(
    ("mode", "scenario", "place", "claim"),
    [
        ("silent", "ghost_text", (BEFORE, TYPED), "ghost text"),
        ("stubborn", "typing_differs", (BEFORE, TYPED), "the old ghost text (is gone|stays away)"),
        ("forgetful", "parts", (BEFORE, TYPED), "(what agrees leaves the rest|the rest is there)"),
        ("blind", "brackets", IN_BRACKETS, "each bracket is closed once"),
        ("counting_code_points", "odd_documents", (EMOJI_AND_CRLF, TYPED), "ghost text"),
        ("unanimous", "alternatives", ("import", " "), "another text"),
        ("without_percent", "busy", (BEFORE + "is", " "), "how much is loaded"),
        ("sticky", "review", None, "no squiggle"),
    ],
)
def test_a_scenario_fails_by_its_claim_where_answers_are_spoilt(
    vscode: VSCode, mode: str, scenario: str, place: tuple[str, str] | None, claim: str
) -> None:
    before, typed = place or ("", "")
    spoiling = vscode.root / "spoiling"
    mode_file = spoil(vscode, spoiling, f"{mode} {len((before + typed).splitlines()[-1]) if place else 0}")
    file = changed_file(vscode, "spoilt") if place is None else f"{scenario}.py"
    files = {} if place is None else {file: before}
    workspace = vscode.workspace("spoilt", files, {"dsassist.path": str(spoiling)})
    with pytest.raises(AssertionError, match=f": {claim}"):
        vscode.play(scenario, workspace, file=file, before=before, typed=typed, failsBy=claim)
    assert mode in mode_file.with_suffix(".spoilt").read_text().split()


def spoil(vscode: VSCode, program: Path, mode: str) -> Path:
    """Make a program of dsassist with `tampering.py` before it; gives the file with its mode."""
    mode_file = vscode.root / f"{program.name}.mode"
    mode_file.write_text(mode)
    write_program(program, f'exec "{sys.executable}" "{HERE}/tampering.py" "{mode_file}" "{DSASSIST}" "$@"')
    return mode_file


def changed_file(vscode: VSCode, workspace: str) -> str:
    """A committed file below the workspace's folder, in a repository of its own; gives its name there."""
    text = "def add(a, b):\n    total = a + b\n    return total\n"
    folder = vscode.workspace(workspace, {"repository/review.py": text}) / "repository"
    git("init", "-q", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "-q", "-m", "Add", cwd=folder)
    return "repository/review.py"
