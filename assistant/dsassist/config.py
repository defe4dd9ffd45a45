"""The effective configuration: defaults, repository's file, user's file, environment and flags, in rising order.

A repository's file comes from whoever wrote the repository. What could harm its reader (a model's path or address, how
much of the machine is taken) counts only after `dsassist config --trust`, and the untrusted value is reported. This
module knows neither the engine nor which models exist; the options are declared in `dsassist.options`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsassist.config_files import (
    ConfigError,
    RepositoryFile,
    repository_file,
    repository_root,
    user_file,
    user_table,
)
from dsassist.options import OPTIONS, Config, Option, OptionValue, with_values
from dsassist.trust import is_trusted

__all__ = [
    "RESERVED_VARIABLES",
    "ConfigError",
    "LoadedConfig",
    "RepositoryFile",
    "from_mapping",
    "is_address",
    "is_path",
    "load",
    "repository_file",
    "repository_root",
    "settings_in",
    "user_file",
]

RESERVED_VARIABLES = frozenset({"DSASSIST_HOME", "DSASSIST_CATALOGUE", "DSASSIST_SKIP", "DSASSIST_API_KEY"})
"""Variables of ours that set no option: where everything lies, another catalogue, a commit without review, a key."""

_BY_VARIABLE = {option.variable: option for option in OPTIONS.values()}
_SECTIONS = {key.partition(".")[0] for key in OPTIONS if "." in key}


@dataclass(frozen=True)
class LoadedConfig:
    """The configuration, for each key where its value came from, and what the user should be told once.

    `root` is the repository that it holds for, or the folder outside of one: consent to send code elsewhere is given by
    it. Without it none is found.
    """

    config: Config
    origins: dict[str, str]
    notices: list[str]
    root: Path | None = None


@dataclass
class _Layers:
    """What is known so far; each layer's values replace those before. `is_lenient` as in `load`."""

    is_lenient: bool = False
    values: dict[str, OptionValue] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=lambda: dict.fromkeys(OPTIONS, "default"))
    notices: list[str] = field(default_factory=list)

    def put(self, option: Option, value: object, origin: str, base: Path) -> None:
        """Check a value and take it; a relative path counts from `base`."""
        checked = _checked(option, value, f"{origin}: {option.key}")
        self.notices += _unknown_entries(option, checked, origin)
        self.values[option.key] = _resolved(option.key, checked, base)
        self.origins[option.key] = origin

    @contextlib.contextmanager
    def leaving_out(self) -> Iterator[None]:
        """Do something of which a mistake leaves out that alone, if we are lenient."""
        try:
            yield
        except ConfigError as error:
            if not self.is_lenient:
                raise
            self.notices.append(f"{error}; it is left out")


def load(
    start: Path,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    lenient: bool = False,
    instead: Mapping[Path, bytes | None] | None = None,
) -> LoadedConfig:
    """The configuration that holds in the folder `start`, or for the file `start`.

    `flags` has the options given on the command line by their keys (`options.flags_from`); `environ` is the process's
    own when left out. `ConfigError` at the first mistake; when `lenient`, a bad value or a file that cannot be read is
    left out and stands in the notices, and all else holds: a typo in a repository must not undo its reader's settings.
    `instead` has contents of a repository's files to take in place of what lies on disk, None for no file.
    """
    layers = _Layers(lenient)
    with layers.leaving_out():
        if (found := repository_file(start, instead)) is not None:
            _put_table(layers, found.table, found.path, _withheld_from(found))
    with layers.leaving_out():
        if (table := user_table()) is not None:
            _put_table(layers, table, user_file(), {})
    _put_environment(layers, os.environ if environ is None else environ)
    for key, value in (flags or {}).items():
        with layers.leaving_out():
            layers.put(OPTIONS[key], value, OPTIONS[key].flag, Path.cwd())
    return LoadedConfig(with_values(Config(), layers.values), layers.origins, layers.notices, repository_root(start))


def from_mapping(values: Mapping[str, Any], origin: str, base: Config) -> tuple[Config, list[str]]:
    """The configuration with an editor's nested settings in place of `base`'s, and notices for what could not be used.

    A null leaves the option as it is.
    """
    accepted: dict[str, OptionValue] = {}
    notices: list[str] = []
    for key, value in _entries(values):
        option = OPTIONS.get(key)
        if option is None:
            notices.append(_unknown(origin, key))
        elif value is not None:
            try:
                checked = _checked(option, value, f"{origin}: {key}")
                notices += _unknown_entries(option, checked, origin)
                accepted[key] = _resolved(key, checked, Path.cwd())
            except ConfigError as error:
                notices.append(str(error))
    return with_values(base, accepted), notices


def settings_in(found: RepositoryFile) -> dict[str, Any]:
    """The options that a repository's file sets, by key, as they stand there."""
    return {key: value for key, value in _entries(found.table) if key in OPTIONS}


def is_address(model: str) -> bool:
    """Whether a model's name is the address of an endpoint."""
    return "://" in model


def is_path(model: str) -> bool:
    """Whether a model's name is a file's: catalogue names have no slash, no leading dot or tilde, and no `.gguf`."""
    if is_address(model):
        return False
    return "/" in model or "\\" in model or model.startswith(("~", ".")) or model.lower().endswith(".gguf")


def _put_table(layers: _Layers, table: Mapping[str, Any], path: Path, withheld: Mapping[str, str]) -> None:
    for key, value in _entries(table):
        with layers.leaving_out():
            option = OPTIONS.get(key)
            if option is not None and key in withheld:
                layers.notices.append(withheld[key])
            elif option is not None:
                layers.put(option, value, str(path), path.parent)
            elif key in _SECTIONS:
                raise ConfigError(f"{path}: {key} = {_shown(value)} is not allowed; allowed is a table, [{key}]")
            else:
                layers.notices.append(_unknown(str(path), key))


def _put_environment(layers: _Layers, environ: Mapping[str, str]) -> None:
    for name, text in sorted(environ.items()):
        if not name.startswith("DSASSIST_") or name in RESERVED_VARIABLES or not text:
            continue
        option = _BY_VARIABLE.get(name)
        if option is None:
            layers.notices.append(f"unknown environment variable {name}{_hint(name, _BY_VARIABLE)}")
            continue
        with layers.leaving_out():
            layers.put(option, _parsed(option, name, text), name, Path.cwd())


def _parsed(option: Option, name: str, text: str) -> OptionValue:
    try:
        return option.parse(text)
    except ValueError as error:
        raise ConfigError(f"{name}={text} is not allowed; allowed is {error}") from None


def _withheld_from(found: RepositoryFile) -> dict[str, str]:
    """The keys of a repository's file that need the user's consent and lack it, each with what to say."""
    needing = {key: value for key, value in _entries(found.table) if _needs_consent(key, value)}
    if not needing or is_trusted(found.path, found.content):
        return {}
    return {
        key: f"{found.path} sets {key} = {_shown(value)}: not used without your consent; "
        "`dsassist config --trust` in that repository allows it"
        for key, value in needing.items()
    }


def _needs_consent(key: str, value: object) -> bool:
    if key == "model":
        return isinstance(value, str) and (is_path(value) or is_address(value))
    return key in OPTIONS and not OPTIONS[key].repository_may_set


def _checked(option: Option, value: object, where: str) -> OptionValue:
    try:
        return option.check(value)
    except ValueError as error:
        raise ConfigError(f"{where} = {_shown(value)} is not allowed; allowed is {error}") from None


def _resolved(key: str, value: OptionValue, base: Path) -> OptionValue:
    """The path of a model or an adapter made absolute; names, addresses and all else as they are."""
    is_file = isinstance(value, str) and (is_path(value) if key == "model" else key == "engine.lora" and value != "")
    if not is_file or not isinstance(value, str):
        return value
    path = Path(value)
    with contextlib.suppress(RuntimeError):  # "~nobody/x.gguf": no such user
        path = path.expanduser()
    return str(base.absolute() / path)


def _entries(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The leaves of a nested table with their dotted keys; a table that is no section of ours is one leaf."""
    for name, value in table.items():
        if name in _SECTIONS and isinstance(value, Mapping):
            for inner, leaf in value.items():
                yield f"{name}.{inner}", leaf
        else:
            yield str(name), value


def _unknown(origin: str, key: str) -> str:
    return f"{origin}: unknown option {key}{_hint(key, OPTIONS)}"


def _unknown_entries(option: Option, value: OptionValue, origin: str) -> list[str]:
    """What to say of entries that are taken though nobody knows them."""
    where = f"{origin}: {option.key} names"
    return [
        f"{where} {_shown(entry)}, which dsassist does not know{_hint(entry.casefold(), option.known)}"
        for entry in option.unknown(value)
    ]


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(value: object) -> str:
    """A value as TOML and JSON write it, short enough for a sentence."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
