"""Write the sections of doc/dsassist.txt that list options: `python editors/nvim/make_help.py` after one has changed.

What the server takes comes from `dsassist.options`, what the plug-in takes from its own table in Lua, which a Neovim
has to read: `NVIM=/path/to/nvim` names it when it is not on the PATH.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dsassist.options import OPTIONS

__all__ = ["main", "plugin_section", "renewed", "settings_section"]

HERE = Path(__file__).parent
HELP = HERE / "doc" / "dsassist.txt"
_WIDTH = 78
_RULE = "=" * _WIDTH + "\n"
_SETTINGS_INTRODUCTION = """\
Nested below `settings`: "completion.max_lines" is written
`settings = { completion = { max_lines = 8 } }`. Those that a team shares belong
into a repository's dsassist.toml.
"""
_READ_TABLE = "io.write(vim.json.encode(require('dsassist.options').DECLARED))"


def settings_section() -> str:
    """What `settings` may hold, in the form of a help file."""
    entries = [_SETTINGS_INTRODUCTION]
    for option in OPTIONS.values():
        what = f"{option.description}. Allowed is {option.allowed}; default: {json.dumps(option.default)}."
        entries += [*_tagged(option.key, f"dsassist-setting-{option.key}"), *_indented(what), ""]
    return "\n".join(entries)


def plugin_section(nvim: str) -> str:
    """The plug-in's own options, read from its table in Lua."""
    entries = []
    for declared in _declared(nvim):
        default = _lua(declared["default"])
        what = f"{' '.join(declared['description'].split())} Default: {default}"
        entries += [*_tagged(declared["name"], f"dsassist-option-{declared['name']}"), *_indented(what), ""]
    return "\n".join(entries)


def renewed(text: str, tag: str, section: str) -> str:
    """The help file with a section in place of what stood below the heading with this tag."""
    above, heading, rest = text.partition(f"*{tag}*\n\n")
    _, rule, below = rest.partition(_RULE)
    if not rule:
        raise ValueError(f"{HELP.name} has no section *{tag}*")
    return f"{above}{heading}{section}\n{rule}{below}"


def main() -> int:
    """Renew both sections."""
    text = HELP.read_text(encoding="utf-8")
    text = renewed(text, "dsassist-settings", settings_section())
    text = renewed(text, "dsassist-options", plugin_section(os.environ.get("NVIM", "nvim")))
    HELP.write_text(text, encoding="utf-8")
    return 0


def _declared(nvim: str) -> Any:
    command = [nvim, "--clean", "--headless", "--cmd", f"set rtp^={HERE}", "-c", f"lua {_READ_TABLE}", "-c", "quitall!"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _tagged(name: str, tag: str) -> Iterator[str]:
    yield f"{name} {f'*{tag}*':>{_WIDTH - len(name) - 1}}"


def _indented(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _lua(value: object) -> str:
    if isinstance(value, list):
        return "{ " + ", ".join(map(_lua, value)) + " }" if value else "{}"
    return "{}" if value == {} else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
