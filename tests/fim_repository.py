"""A small repository whose history is older and younger than a day, for the tests of `dsassist bench fim`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["ACCOUNT", "GREETING", "bank_repository", "commit", "sh"]

ACCOUNT = '''"""Accounts."""

from dataclasses import dataclass


@dataclass
class Account:
    owner: str
    balance: int = 0

    def deposit(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("an amount is above zero")
        self.balance += amount
'''
_WITHDRAWAL = '''
    def withdraw(self, amount: int, limit_{n}: int = 0) -> int:
        """Take money {n}."""
        remaining_{n} = self.balance - amount
        # a comment that nobody should have to guess
        if remaining_{n} < limit_{n}:
            raise ValueError(f"only {{self.balance}} left, not {{amount}}")
        self.balance = remaining_{n}
        return max(remaining_{n}, len(self.owner), limit_{n})
'''
GREETING = """package main

import "fmt"

func greet(name string, times int) error {
	if times < 0 {
		return fmt.Errorf("times is %d", times)
	}
	for count := 0; count < times; count++ {
		fmt.Println("hello", name, count)
	}
	return nil
}
"""


def sh(cwd: Path, *arguments: str, when: str = "2025-06-01T00:00:00Z") -> None:
    """Run git as a user does, at a moment."""
    environment = os.environ | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    subprocess.run(["git", *arguments], cwd=cwd, env=environment, check=True, capture_output=True)


def commit(root: Path, files: dict[str, str], when: str = "2025-06-01T00:00:00Z") -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    sh(root, "add", "--all", when=when)
    sh(root, "commit", "--quiet", "-m", "change", when=when)


def bank_repository(root: Path) -> Path:
    """Six accounts in Python from 2024, and in 2025 six commits that each add a method to one, and a file in Go."""
    root.mkdir()
    sh(root, "init", "--quiet")
    commit(root, {f"bank/account{n}.py": ACCOUNT for n in range(6)}, "2024-05-01T00:00:00Z")
    for n in range(6):
        files = {f"bank/account{n}.py": ACCOUNT + _WITHDRAWAL.format(n=n)}
        commit(
            root, {**files, f"cmd/greet{n}.go": GREETING.replace("greet", f"greet{n}")}, f"2025-06-0{n + 1}T00:00:00Z"
        )
    return root
