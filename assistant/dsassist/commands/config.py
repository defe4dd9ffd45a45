"""`dsassist config`: the effective options and where each came from, and consent: to a repository's file, and to an
address that its code may be sent to.
"""

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
    what.add_argument(
        "--allow-remote",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="let this repository's code be sent to an address (default: the one that `model` is)",
    )
    what.add_argument("--local-only", action="store_true", help="take that consent back, for every address")


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
    elif args.allow_remote is not None:
        _allow_remote(args.allow_remote)
    elif args.local_only:
        _keep_local()
    else:
        loaded = config.load(Path.cwd())
        for text in [*loaded.notices, *_consent_notice(loaded)]:
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


def _allow_remote(address_text: str) -> None:
    from dsassist import config, consent, output
    from dsassist_runtime.remote.address import parse_address

    model = address_text or config.load(Path.cwd()).config.model
    if not config.is_address(model):
        raise config.ConfigError(f"{model} is no address; say which one: dsassist config --allow-remote ADDRESS")
    root, address = config.repository_root(Path.cwd()), parse_address(model)
    if address.is_loopback:
        output.notice(f"{address.origin} is this machine; it needs no consent")
        return
    consent.allow_remote(root, address)
    output.write_line(f"the code in {root} may be sent to {address.origin}")
    if not address.is_encrypted:
        output.notice("over http:// whoever is on the way can read the code, and the key")


def _keep_local() -> None:
    from dsassist import config, consent, output

    root = config.repository_root(Path.cwd())
    origins = consent.keep_local(root)
    what = f"is sent to {' and '.join(origins)} no longer" if origins else "was not sent anywhere"
    output.write_line(f"the code in {root} {what}")


def _consent_notice(loaded: LoadedConfig) -> list[str]:
    """What to say where `model` is an address that this repository's code is not sent to, or no address at all."""
    from dsassist import config, consent
    from dsassist_runtime.errors import DsassistError
    from dsassist_runtime.remote.address import parse_address

    if not config.is_address(loaded.config.model):
        return []
    try:
        consent.check_consent(loaded.root, parse_address(loaded.config.model))
    except DsassistError as error:
        return [str(error)]
    return []


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
