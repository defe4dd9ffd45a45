"""Writes the settings in package.json from dsassist's option table: `python editors/vscode/settings.py`.

The first section is the extension's own and stays; a test holds the others equal to the table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dsassist.options import OPTIONS, Option

__all__ = ["PACKAGE", "package_text"]

PACKAGE = Path(__file__).with_name("package.json")

_TITLES = {"": "Model", "completion": "Completion", "review": "Review", "engine": "Engine"}
_WITHOUT_EFFECT = ("hook.", "review.fail_level")  # in an editor
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def package_text() -> str:
    """package.json with the settings as the table has them."""
    package = json.loads(PACKAGE.read_text(encoding="utf-8"))
    own = package["contributes"]["configuration"][0]
    package["contributes"]["configuration"] = [own, *_sections()]
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def _sections() -> list[dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for key, option in OPTIONS.items():
        if not key.startswith(_WITHOUT_EFFECT):
            section = key.rpartition(".")[0]
            sections.setdefault(section, {})[f"dsassist.{key}"] = _schema(option)
    return [{"title": _TITLES.get(name, name.capitalize()), "properties": found} for name, found in sections.items()]


def _schema(option: Option) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": f"{option.description}.", "scope": _scope(option)}
    if isinstance(option.default, tuple):
        return schema | {"type": "array", "items": {"type": "string"}, "default": list(option.default)}
    schema |= {"type": _TYPES[type(option.default)], "default": option.default}
    if option.choices:
        schema["enum"] = list(option.choices)
    if not isinstance(option.default, (bool, str)):
        schema |= {"minimum": option.minimum, "maximum": option.maximum}
    return schema


def _scope(option: Option) -> str:
    # A workspace's settings are written by whoever wrote the repository, as dsassist.toml is; but no one looks here
    # whether a model that it names is one of the catalogue.
    return "window" if option.repository_may_set and option.key != "model" else "machine"


if __name__ == "__main__":
    PACKAGE.write_text(package_text(), encoding="utf-8")
