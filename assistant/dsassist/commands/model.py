"""`dsassist model`: see, pull, choose, check and remove models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist_runtime.lora import Adapter
    from dsassist_runtime.models.catalogue import CatalogueEntry
    from dsassist_runtime.models.description import ModelDescription
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the models that can be had, which are on this disk, and the one in use")
    _add_json_option(listing)

    info = actions.add_parser("info", help="what a model is and how much memory it needs")
    info.add_argument(
        "model",
        metavar="NAME|FILE|ADDRESS",
        help="builtin, a name of the catalogue, a GGUF file, or a server's address",
    )
    info.add_argument("--ctx", type=_context, default=0, metavar="N", help="context length for the memory (tokens)")
    _add_json_option(info)

    pulling = actions.add_parser("pull", help="download models of the catalogue and verify them")
    pulling.add_argument("names", metavar="NAME", nargs="+")

    use = actions.add_parser("use", help="write the model into your configuration file")
    use.add_argument(
        "model",
        metavar="NAME|FILE|ADDRESS",
        help="builtin, a name of the catalogue, a GGUF file, or a server's address",
    )

    removal = actions.add_parser("remove", help="delete a pulled model")
    removal.add_argument("name", metavar="NAME")

    check = actions.add_parser("verify", help="compare a pulled model with its SHA-256")
    check.add_argument("name", metavar="NAME|all")


def _add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _context(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens above 0")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    if args.action == "list":
        return _list(args.json)
    if args.action == "info":
        return _info(args.model, args.ctx, args.json)
    if args.action == "pull":
        return _pull(args.names)
    if args.action == "use":
        return _use(args.model)
    if args.action == "remove":
        return _remove(args.name)
    return _verify(args.name)


def _list(as_json: bool) -> int:
    import json

    from dsassist import output
    from dsassist_runtime.models import catalogue, store
    from dsassist_runtime.models.description import describe

    entries = list(catalogue.load().values())
    current = _current()
    if as_json:
        output.write_line(
            json.dumps({"current": current, "models": [_row(entry, current) for entry in entries]}, indent=2)
        )
        return 0
    memory = catalogue.in_words(describe(store.BUILTIN_PATH).memory_bytes)
    lines = [("", "NAME", "DOWNLOAD", "MEMORY", "WHAT", "LICENCE", "")]
    lines.append(
        (_mark(True, current == "builtin"), "builtin", "", memory, "", "", "comes with dsassist, for tests only")
    )
    for entry in entries:
        row = _row(entry, current)
        memory = f"{entry.memory_gb:g} GB"
        mark = _mark(row["installed"], row["current"])
        lines.append((mark, entry.name, entry.size_in_words, memory, _kind(entry), entry.licence, entry.note))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        output.write_line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    output.write_line("\n* in use   + on this disk   memory: with 8192 tokens of context")
    if current != "builtin" and current not in {entry.name for entry in entries}:
        output.write_line(f"in use: {current}")
    return 0


def _info(model: str, n_ctx: int, as_json: bool) -> int:
    import json

    from dsassist import config, output
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.lora import read_adapter
    from dsassist_runtime.models import catalogue, store
    from dsassist_runtime.models.description import describe

    if config.is_address(model):
        return _remote_info(model, as_json)
    entry = catalogue.load().get(model)
    if entry is not None and not store.installed_path(entry).exists():
        if as_json:
            output.write_line(json.dumps(_row(entry, _current()), indent=2))
        else:
            output.write_line(_columns(_entry_lines(entry)))
        output.notice(f"{model} is not on this disk, so this is what the catalogue says; `dsassist model pull {model}`")
        return 0
    resolved = store.resolve(model)
    if (header := read_header(resolved.path)).text("general.type") == "adapter":
        lines = _adapter_lines(read_adapter(header.path))
        output.write_line(json.dumps(dict(lines), indent=2) if as_json else _columns(lines))
        return 0
    found = describe(resolved.path, n_ctx)
    if as_json:
        output.write_line(json.dumps(_as_json(found, resolved), indent=2))
    else:
        output.write_line(_columns(_file_lines(found)))
    for note in found.notes:
        output.notice(f"{model}: {note}")
    if found.context_length and found.n_ctx > found.context_length:
        output.notice(f"{model}: it was trained for {found.context_length} tokens; more will not serve it well")
    if resolved.kind == "builtin":
        output.notice(store.BUILTIN_NOTE)
    return 0


def _remote_info(model: str, as_json: bool) -> int:
    """What stands at an address; it is asked, and no code is sent."""
    import json
    from contextlib import closing
    from dataclasses import replace

    from dsassist import config, output
    from dsassist.engine import open_remote_engine
    from dsassist_runtime.errors import NotDone, RequestRefused

    loaded = config.load(Path.cwd())
    with closing(open_remote_engine(replace(loaded, config=replace(loaded.config, model=model)))) as engine:
        facts = engine.facts()
        answers = {}
        for what, ask in (("fill in the middle", engine.infill_form), ("review by likelihood", engine.score_form)):
            try:
                answers[what] = ask()
            except (NotDone, RequestRefused) as error:
                answers[what] = f"no: {error}"
        lines = [
            ("name", facts.name),
            ("server", engine.server_kind or "one that does not say what it is"),
            ("context", f"{facts.n_ctx} tokens" if facts.n_ctx else "not stated"),
            *answers.items(),
        ]
    output.write_line(json.dumps(dict(lines), indent=2, ensure_ascii=False) if as_json else _columns(lines))
    return 0


def _pull(names: list[str]) -> int:
    from dsassist import output
    from dsassist_runtime.models import catalogue
    from dsassist_runtime.models.pull import pull

    entries = [catalogue.entry_of(name) for name in dict.fromkeys(names) if name != "builtin"]
    if len(entries) < len(set(names)):
        output.notice("builtin comes with dsassist; there is nothing to pull")
    for entry in entries:
        output.notice(f"{entry.name}: {entry.title}, {entry.size_in_words}, licence: {entry.licence}")
        output.write_line(str(pull(entry, output.notice)))
    if entries and _current() not in {entry.name for entry in entries}:
        output.notice(f"to use it: dsassist model use {entries[0].name}")
    return 0


def _use(model: str) -> int:
    from dsassist import config, output
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.models import store

    if config.is_address(model):
        return _use_address(model)
    resolved = store.resolve(model)
    read_header(resolved.path)
    value = str(resolved.path.absolute()) if resolved.kind == "file" else resolved.name
    _choose(value)
    if resolved.kind == "builtin":
        output.notice(store.BUILTIN_NOTE)
    return 0


def _use_address(model: str) -> int:
    from dsassist import config, output
    from dsassist.consent import may_be_sent
    from dsassist_runtime.remote.address import parse_address

    address = parse_address(model)
    _choose(model)
    if not may_be_sent(config.repository_root(Path.cwd()), address):
        output.notice(f"each repository asks first: `dsassist config --allow-remote {address.origin}` in it allows it")
    return 0


def _choose(value: str) -> None:
    """Write the model into the user's configuration, and say where something else wins over it."""
    from dsassist import config, output

    _write_setting("model", value)
    output.write_line(f"{config.user_file()}: model = {value}")
    loaded = config.load(Path.cwd())
    if loaded.config.model != value:
        output.notice(f"here {loaded.config.model} stays in use, as {loaded.origins['model']} says so")


def _remove(name: str) -> int:
    from dsassist import output
    from dsassist_runtime.errors import DsassistError
    from dsassist_runtime.models import catalogue
    from dsassist_runtime.models.pull import remove

    if name == "builtin":
        raise DsassistError("builtin is a part of dsassist and cannot be removed")
    freed = remove(catalogue.entry_of(name), output.notice)
    output.write_line(f"{name} is removed, {catalogue.in_words(freed)} are free again")
    if _current() == name:
        output.notice(f"{name} is still your configured model; `dsassist model use ANOTHER`, or pull it again")
    return 0


def _verify(name: str) -> int:
    from dsassist import output
    from dsassist_runtime.errors import ModelError
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.models import catalogue, store
    from dsassist_runtime.models.pull import verify

    if name == "builtin":
        read_header(store.BUILTIN_PATH)
        output.write_line("builtin: whole")
        return 0
    if name != "all":
        record = verify(catalogue.entry_of(name))
        output.write_line(f"{name}: good, SHA-256 {record.sha256}")
        return 0
    found = [entry for entry in catalogue.load().values() if store.installed_path(entry).exists()]
    failures = 0
    for entry in found:
        try:
            output.write_line(f"{entry.name}: good, SHA-256 {verify(entry).sha256}")
        except ModelError as error:  # the others are still to be checked
            output.write_line(f"{entry.name}: {error}")
            failures += 1
    if not found:
        output.notice("no model is on this disk but builtin")
    return ModelError.exit_code if failures else 0


def _current() -> str:
    from dsassist import config

    return config.load(Path.cwd()).config.model


def _write_setting(key: str, value: str) -> None:
    """Set a key of the user's configuration file; its comments and order stay."""
    import os
    import tempfile

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from dsassist import config
    from dsassist_runtime import places
    from dsassist_runtime.errors import DsassistError

    path = config.user_file()
    places.make_writable(path.parent)
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8-sig")) if path.exists() else tomlkit.document()
        document[key] = value
        # A configuration kept in a repository of dotfiles is a link: write what it points at.
        target = path.resolve()
        descriptor, part = tempfile.mkstemp(prefix=".config-", suffix=".toml", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
        if target.exists():
            Path(part).chmod(target.stat().st_mode & 0o777)
        Path(part).replace(target)
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise DsassistError(f"{path} is not valid TOML: {error}; mend it first") from error
    except OSError as error:
        raise DsassistError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def _row(entry: CatalogueEntry, current: str) -> dict[str, Any]:
    from dataclasses import asdict

    from dsassist_runtime.models import store

    installed = store.is_installed(entry)
    path = str(store.installed_path(entry)) if installed else None
    return {**asdict(entry), "installed": installed, "current": entry.name == current, "path": path}


def _mark(installed: bool, current: bool) -> str:
    return ("*" if current else " ") + ("+" if installed else " ")


def _kind(entry: CatalogueEntry) -> str:
    size = f"experts {entry.parameters_b:g}B, {entry.active_parameters_b:g}B active"
    if not entry.experts:
        size = f"dense {entry.parameters_b:g}B"
    return f"{size}, {'chat' if entry.chat else 'base'}{'' if entry.fim else ', no FIM'}"


def _entry_lines(entry: CatalogueEntry) -> list[tuple[str, str]]:
    return [
        ("name", entry.name),
        ("title", entry.title),
        ("note", entry.note),
        ("from", f"{entry.repository}: {entry.file}"),
        ("also from", "a Python package index" if entry.index else "-"),
        ("download", entry.size_in_words),
        ("sha256", entry.sha256 or "not stated"),
        ("licence", entry.licence),
        ("architecture", f"{entry.architecture}, {_kind(entry)}"),
        ("fill in the middle", entry.fim or "no"),
        ("memory", f"{entry.memory_gb:g} GB with 8192 tokens of context"),
    ]


def _file_lines(found: ModelDescription) -> list[tuple[str, str]]:
    from dsassist_runtime.models.catalogue import in_words

    experts = "none (dense)"
    if found.experts:
        experts = f"{found.experts} routed, {found.experts_used} used per token, {found.experts_shared} shared"
    fim = "no tokens for it"
    if found.fim:
        names = (f"{role} {token}" for role, token in found.fim._asdict().items())
        fim = f"{', '.join(names)}; order {', '.join(found.fim_orders)}"
    kv = "unknown" if found.kv_bytes_per_token is None else f"{found.kv_bytes_per_token:,} bytes per token (F16)"
    memory = f"{in_words(found.memory_bytes)} with {found.n_ctx} tokens of context"
    cache = in_words((found.kv_bytes_per_token or 0) * found.n_ctx)
    parts = f"weights {in_words(found.weight_bytes)}, cache {cache}, buffers about {in_words(found.compute_bytes)}"
    return [
        ("name", found.name),
        ("file", f"{found.path} ({in_words(found.file_bytes)})"),
        ("architecture", found.architecture or "not stated"),
        ("parameters", _count(found.parameters)),
        ("quantisation", found.quantisation),
        ("layers", str(found.layers)),
        ("experts", experts),
        ("context", f"{found.context_length} tokens"),
        ("vocabulary", str(found.vocabulary)),
        ("chat template", "yes" if found.has_chat_template else "no"),
        ("fill in the middle", fim),
        ("KV cache", kv),
        ("memory", f"{memory} ({parts})"),
    ]


def _adapter_lines(found: Adapter) -> list[tuple[str, str]]:
    from dsassist_runtime.models.catalogue import in_words

    return [
        ("name", found.name),
        ("file", f"{found.path} ({in_words(found.header.file_bytes)})"),
        ("what", "a LoRA adapter: not a model, but what changes one (engine.lora, --lora)"),
        ("for the model", found.base_name or "not stated"),
        ("architecture", found.header.architecture),
        ("rank", str(found.rank)),
        ("alpha", f"{found.alpha:g}"),
        ("matrices", str(len(found.names))),
    ]


def _as_json(found: ModelDescription, resolved: ResolvedModel) -> dict[str, Any]:
    from dataclasses import asdict

    fim = found.fim._asdict() if found.fim else None
    return {**asdict(found), "path": str(found.path), "kind": resolved.kind, "fim": fim}


def _columns(lines: list[tuple[str, str]]) -> str:
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in lines)


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} billion" if parameters >= 10**9 else f"{parameters / 1e6:.1f} million"


COMMAND = Command(
    help="list, pull, choose, check and remove models",
    add_arguments=_add_arguments,
    run=_run,
    description="List, pull, choose, check and remove models; docs/models.md tells which suits which machine.",
)
