"""`dsassist config`: the effective options and where each came from, and consent to a repository's file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig, RepositoryFile

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="print one JSON object: option -> value and origin")
    what.add_argument("--docs", action="store_true", help="print a table of all options in Markdown")
    what.add_argument("--path", action="store_true", help="print where your own configuration file lies")
    what.add_argument(
        "--trust", action="store_true", help="let this repository's configuration file, as it is now, set every option"
    )
    what.add_argument("--untrust", action="store_true", help="take that consent back")


def _run(args: argparse.Namespace) -> int:
    from dsassist import config, options, output

    if args.docs:
        output.write_line(options.option_table())
    elif args.path:
        output.write_line(str(config.user_file()))
    elif args.trust:
        _trust(_repository_file())
    elif args.untrust:
        _untrust(_repository_file())
    else:
        loaded = config.load(Path.cwd())
        for text in loaded.notices:
            output.notice(text)
        output.write_line(_as_json(loaded) if args.json else _as_columns(loaded))
    return 0


def _repository_file() -> RepositoryFile:
    from dsassist import config

    found = config.repository_file(Path.cwd())
    if found is None:
        raise config.ConfigError(
            f"there is no dsassist.toml, and no pyproject.toml with [tool.dsassist], in {Path.cwd()} or above it"
        )
    return found


def _trust(found: RepositoryFile) -> None:
    import json

    from dsassist import config, output, trust

    trust.trust(found.path, found.content)
    try:
        config.load(Path.cwd())
    except config.ConfigError:
        trust.revoke_trust(found.path)  # the mended file will be another one
        raise
    output.write_line(f"{found.path} is trusted until it changes; it sets:")
    for key, value in config.settings_in(found).items():
        output.write_line(f"  {key} = {json.dumps(value)}")


def _untrust(found: RepositoryFile) -> None:
    from dsassist import output, trust

    was_trusted = trust.revoke_trust(found.path)
    output.write_line(f"{found.path} is trusted no longer" if was_trusted else f"{found.path} was not trusted")


def _as_columns(loaded: LoadedConfig) -> str:
    from dsassist import output

    values = {key: _value(loaded, key) for key in loaded.origins}
    key_width, value_width = max(map(len, values)), max(map(len, values.values()))
    return "\n".join(
        f"{key:<{key_width}} = {output.visible(value):<{value_width}}  "
        + output.style(output.visible(loaded.origins[key]), "dim")
        for key, value in values.items()
    )


def _as_json(loaded: LoadedConfig) -> str:
    import json

    from dsassist.options import value_of

    table = {key: {"value": value_of(loaded.config, key), "origin": origin} for key, origin in loaded.origins.items()}
    return json.dumps(table, indent=2)


def _value(loaded: LoadedConfig, key: str) -> str:
    import json

    from dsassist.options import value_of

    return json.dumps(value_of(loaded.config, key), ensure_ascii=False)


COMMAND = Command(
    help="show the options in effect and where each came from",
    add_arguments=_add_arguments,
    run=_run,
    description="Show the options in effect and where each came from; docs/configuration.md explains them.",
)
