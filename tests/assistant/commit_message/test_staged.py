"""What a model is shown of the staged change, on real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.commit_message.prompt import message_request
from dsassist.commit_message.staged import hunks_of, recent_subjects, staged_files
from dsassist.git import staged_entries
from hook_repositories import git

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
KEY_LINES = ["MIIEpAIBAAKCAQEA7bq5Zt0yXk3S9vQ2mW8nR4cLpJfHgTdUeYiOaKsV" + f"{n:04d}" for n in range(30)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git("init", "-q", cwd=root)
    return root


def stage(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    git("add", "-A", cwd=root)


def commit(root: Path, files: dict[str, str | bytes], subject: str = "Begin") -> None:
    stage(root, files)
    git("commit", "-q", "-m", subject, cwd=root)


def prompt(root: Path, budget_tokens: int = 1000) -> str:
    files = staged_files(staged_entries(root), root)
    request = message_request(files, recent_subjects(root, 10), root, budget_tokens=budget_tokens)
    question = request.messages[-1]["content"]
    assert isinstance(question, str)
    return question


def test_files_are_named_with_what_happened_to_them(repository: Path) -> None:
    before: dict[str, str | bytes] = {"kept.py": "a = 1\nb = 2\n", "gone.txt": "away\n", "image": b"\0a"}
    commit(repository, {**before, "old name.py": "x = 1\n" * 9})
    git("rm", "-q", "gone.txt", cwd=repository)
    git("mv", "old name.py", "new name.py", cwd=repository)
    stage(repository, {"kept.py": "a = 1\nb = 3\n", "naïve.py": "n = 0\n", "image": b"\0b"})
    summaries = {file.summary for file in staged_files(staged_entries(repository), repository)}
    assert summaries == {
        "kept.py (+1, -1)",
        "naïve.py (new, +1)",
        "gone.txt (deleted, -1)",
        "image (binary)",
        "new name.py (renamed from old name.py)",
    }


def test_hunks_have_the_lines_of_the_index_and_where_they_belong(repository: Path) -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(30))
    commit(repository, {"a.py": f"def first():\n{body}    return 1\n"})
    stage(repository, {"a.py": f"def first():\n{body}    return 2\n"})
    (repository / "a.py").write_text("not staged\n")
    (file,) = staged_files(staged_entries(repository), repository)
    (hunk,) = hunks_of([file], repository)[b"a.py"]
    assert hunk.place == "def first():"
    assert hunk.lines == ("     x29 = 29", "-    return 1", "+    return 2")


def test_files_without_a_last_line_end_and_empty_context_lines_are_read_right(repository: Path) -> None:
    git("config", "diff.suppressBlankEmpty", "true", cwd=repository)
    commit(repository, {"a.py": "a = 1\n\nb = 2"})
    stage(repository, {"a.py": "a = 1\n\nb = 3\n"})
    (file,) = staged_files(staged_entries(repository), repository)
    assert hunks_of([file], repository)[b"a.py"][0].lines == (" ", "-b = 2", "+b = 3")


def test_configuration_does_not_change_what_is_shown(repository: Path) -> None:
    commit(repository, {"a.py": "a = 1\n", "b.py": "b = 1\n"})
    stage(repository, {"a.py": "a = 2\n", "b.py": "b = 2\n", "c.py": "c = 2\n"})
    plain = prompt(repository)
    for name, value in {
        "diff.external": "false",
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.ui": "always",
        "diff.context": "9",
        "diff.renames": "false",
        "log.showSignature": "true",
        "format.pretty": "fuller",
        "core.quotePath": "false",
    }.items():
        git("config", name, value, cwd=repository)
    assert prompt(repository) == plain


def test_before_the_first_commit_all_is_new(repository: Path) -> None:
    stage(repository, {"a.py": "a = 1\n"})
    assert recent_subjects(repository, 10) == []
    assert "a.py (new, +1)" in prompt(repository)
    assert "+a = 1" in prompt(repository)


def test_the_latest_subjects_show_the_style(repository: Path) -> None:
    for number in range(12):
        commit(repository, {"a.txt": f"{number}\n"}, f"Change {number}")
    assert recent_subjects(repository, 10) == [f"Change {number}" for number in range(11, 1, -1)]


# -- secrets


def test_no_secret_enters_a_prompt(repository: Path) -> None:
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *KEY_LINES, "-----END RSA PRIVATE KEY-----", ""])
    commit(repository, {"key.txt": f"{key}\nend\n", "b.py": f"def f(token='{TOKEN}'):\n" + "    a()\n" * 9})
    changed = key.replace(KEY_LINES[14], KEY_LINES[14].replace("MIIE", "NIIE"))
    stage(
        repository,
        {
            "key.txt": f"{changed}\nend\n",
            "a.py": f'TOKEN = "{TOKEN}"\nkeep = 1\n',
            "b.py": f"def f(token='{TOKEN}'):\n" + "    a()\n" * 8 + "    b()\n",
            ".env": "PASSWORD=hunter2hunter2X9\n",
            "c.yaml": "password: kD93jfPq2LmZ77xB41\n",
        },
    )
    shown = prompt(repository)
    assert "+keep = 1" in shown
    assert ".env (new, +1)" in shown
    for secret in (TOKEN, "hunter2", "kD93jfPq2LmZ77", *(line[4:40] for line in KEY_LINES)):
        assert secret not in shown


def test_a_secret_in_a_subject_or_a_path_stays_out(repository: Path) -> None:
    commit(repository, {"a.txt": "a\n"}, f"Use {TOKEN}")
    stage(repository, {f"{TOKEN}.txt": "a\n"})
    assert TOKEN not in prompt(repository)


# -- the budget


def test_a_prompt_keeps_to_its_budget_and_shows_the_largest_files(repository: Path) -> None:
    files = {f"file{size:02}.py": "".join(f"x{n} = {size}\n" for n in range(size * 20)) for size in range(1, 30)}
    stage(repository, {**files, "package-lock.json": '{"a": 1}\n' * 5000})
    shown = prompt(repository, budget_tokens=600)
    assert len(shown) <= 600 * 3
    assert "package-lock.json (new, +5000)" in shown
    assert '"a"' not in shown, "nobody wrote it"
    assert "+x0 = 29" in shown
    assert "+x0 = 1\n" not in shown


def test_the_largest_hunk_of_a_file_goes_first(repository: Path) -> None:
    lines = [f"line_{n} = {n}\n" for n in range(200)]
    commit(repository, {"a.py": "".join(lines)})
    lines[3] = "small = 1\n"
    lines[100:140] = [f"large_{n} = {n}\n" for n in range(40)]
    stage(repository, {"a.py": "".join(lines)})
    shown = prompt(repository, budget_tokens=150)
    assert "+large_" in shown or "-line_100" in shown
    assert "small" not in shown


def test_names_and_contents_that_are_no_text_do_no_harm(repository: Path) -> None:
    (repository / "odd\nname\x1b[2J").write_text("odd = 1\n")
    (repository / b"\xff.py".decode("utf-8", "surrogateescape")).write_bytes(b"caf\xe9 = 1\x1b[31m\n")
    git("add", "-A", cwd=repository)
    shown = prompt(repository)
    assert "odd?name?[2J" in shown
    assert "\x1b" not in shown
    shown.encode()
