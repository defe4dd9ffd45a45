"""Every option, declared once: its place in the tree, type, default, allowed values, and who may set it.

Checks, command-line flags, environment variables and docs/configuration.md come from these declarations. Where values
come from is `dsassist.config`'s concern.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from dsassist.declaration import Option, OptionValue, declare
from dsassist.language_ids import ALL_LANGUAGES, KNOWN_LANGUAGES
from dsassist.sizes import AUTOMATIC

__all__ = [
    "OPTIONS",
    "CompletionConfig",
    "Config",
    "EngineConfig",
    "HookConfig",
    "Option",
    "OptionValue",
    "ReviewConfig",
    "add_option_argument",
    "flags_from",
    "option_table",
    "value_of",
    "with_values",
]

_DEST_PREFIX = "option:"


@dataclass(frozen=True)
class EngineConfig:
    """How the model is held, or asked for elsewhere. A repository may set none of it: these decide how much of the
    machine is taken, and what is sent out.
    """

    n_ctx: int = declare(
        0, "Context length in tokens; 0 chooses by the model", minimum=0, maximum=1 << 20, repository_may_set=False
    )
    n_threads: int = declare(
        0, "Threads for decoding; 0 means the physical cores", minimum=0, maximum=1024, repository_may_set=False
    )
    plan: Literal["auto", "off"] = declare(
        "auto",
        "Whether the server plans what of the model lies in VRAM, in RAM and on disk; off is plain llama.cpp",
        choices=("auto", "off"),
        repository_may_set=False,
    )
    ram: str = declare(
        AUTOMATIC,
        "Memory that the model may take; auto is what is free, less 1.5 GB, or half of it where little is free",
        is_size=True,
        repository_may_set=False,
    )
    vram: str = declare(
        AUTOMATIC,
        "Memory of GPUs that the model may take; auto is what is free, less 1 GiB on each",
        is_size=True,
        repository_may_set=False,
    )
    n_gpu_layers: int = declare(
        0,
        "Layers of the model that go to the GPU, in place of a plan; 0 leaves it to the plan",
        minimum=0,
        maximum=10_000,
        repository_may_set=False,
    )
    draft_model: str = declare(
        "",
        "A small model of the same vocabulary, a name or a file, whose guesses the model checks; empty: none",
        flag="--draft-model",
        repository_may_set=False,
    )
    lora: str = declare(
        "",
        "A file with a LoRA adapter of the model, which it computes with; empty: none",
        repository_may_set=False,
    )
    idle_timeout_s: float = declare(
        900.0,
        "Seconds without a request after which the server leaves the memory; 0 keeps it",
        minimum=0.0,
        maximum=30 * 86_400.0,
        flag="--idle-timeout",
        repository_may_set=False,
    )
    remote_fim: Literal["auto", "suffix", "prompt"] = declare(
        "auto",
        "How a server at an address is asked to fill in the middle",
        choices=("auto", "suffix", "prompt"),
        repository_may_set=False,
    )
    remote_timeout_s: float = declare(
        60.0,
        "Seconds that a server at an address may be silent",
        minimum=1.0,
        maximum=3600.0,
        repository_may_set=False,
    )
    remote_key_variable: str = declare(
        "DSASSIST_API_KEY",
        "Environment variable with the key for a model's address",
        repository_may_set=False,
    )


@dataclass(frozen=True)
class CompletionConfig:
    """What is completed, and how."""

    enabled: bool = declare(True, "Complete code in the editor")
    temperature: float = declare(
        0.3, "How freely the next token is chosen; 0 takes the likeliest", minimum=0.0, maximum=2.0
    )
    max_tokens: int = declare(200, "Tokens of a completion at most", minimum=1, maximum=4096)
    max_prompt_tokens: int = declare(
        1536,
        "Tokens of code that the model reads at most; a slow machine takes fewer, and reads most while nobody types",
        minimum=64,
        maximum=32_768,
    )
    multiline: Literal["auto", "never"] = declare(
        "auto", "Whether a completion may have several lines; auto decides at each cursor", choices=("auto", "never")
    )
    max_lines: int = declare(16, "Lines of a completion at most", minimum=1, maximum=1000)
    trigger: Literal["auto", "manual"] = declare(
        "auto", "When to complete: while you type, or only when you ask", choices=("auto", "manual")
    )
    min_probability: float = declare(
        0.1,
        "How likely the first line must be to the model for it to be shown; 0 shows all that fits",
        minimum=0.0,
        maximum=1.0,
    )
    learn_threshold: bool = declare(True, "Tune min_probability by what you accept, once there is enough of it")
    context: bool = declare(
        True, "Show the model parts of other files: what was edited lately, is similar or is imported"
    )
    exclude: tuple[str, ...] = declare((), "Globs of files that are not completed, from the repository's root")
    languages: tuple[str, ...] = declare(
        (ALL_LANGUAGES,), 'Languages that are completed, as editors name them; "*": all', known=KNOWN_LANGUAGES
    )
    exclude_languages: tuple[str, ...] = declare(
        (), 'Languages that are not completed, as editors name them; "*": all', known=KNOWN_LANGUAGES
    )


@dataclass(frozen=True)
class ReviewConfig:
    """What is reviewed, and what is said of it."""

    enabled: bool = declare(True, "Review what is committed")
    fail_level: Literal["info", "warning", "error", "never"] = declare(
        "warning",
        "The least severity of a finding that makes the exit code 1",
        choices=("info", "warning", "error", "never"),
    )
    threshold_nats: float = declare(
        5.5,
        "Evidence in nats that a finding needs; more means fewer findings",
        minimum=0.0,
        maximum=100.0,
    )
    deadline_s: float = declare(
        30.0, "Seconds after which the review reports what it has", minimum=0.1, maximum=3600.0, flag="--deadline"
    )
    max_findings: int = declare(10, "Findings that are reported at most", minimum=1, maximum=1000)
    written: bool = declare(
        False, "Also weigh what the model itself writes in the place of improbable parts; slow, and not measured yet"
    )
    exclude: tuple[str, ...] = declare((), "Globs of files that are not reviewed, from the repository's root")


@dataclass(frozen=True)
class HookConfig:
    """How the hooks behave."""

    strict: bool = declare(False, "Stop a commit or push that could not be reviewed")
    push_deadline_s: float = declare(
        120.0,
        "Seconds after which the review before a push reports what it has",
        minimum=0.1,
        maximum=3600.0,
    )
    push_instruct: bool = declare(
        False, "Also ask an instruct model about each function before a push, once it has passed its trial"
    )
    draft_message: bool = declare(False, "Draft the message of a commit that has none, with an instruct model")
    message_deadline_s: float = declare(
        10.0, "Seconds that a draft of a message may hold up a commit", minimum=0.1, maximum=600.0
    )


@dataclass(frozen=True)
class Config:
    """All options with their values; `model` is "builtin", a catalogue name, an absolute path or an address."""

    model: str = declare("builtin", 'The model: "builtin", a catalogue name, the path of a GGUF file, or an address')
    engine: EngineConfig = field(default_factory=EngineConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    review: ReviewConfig = field(default_factory=ReviewConfig)
    hook: HookConfig = field(default_factory=HookConfig)


def _collect(section: Any, prefix: str = "") -> dict[str, Option]:
    """The declarations below a configuration dataclass, in their order."""
    found: dict[str, Option] = {}
    for each in fields(section):
        value, key = getattr(section, each.name), prefix + each.name
        if dataclasses.is_dataclass(value):
            found |= _collect(value, f"{key}.")
            continue
        declared = dict(each.metadata)
        declared["flag"] = declared["flag"] or "--" + each.name.replace("_", "-")
        found[key] = Option(key, value, **declared)
    return found


OPTIONS: dict[str, Option] = _collect(Config())


def value_of(config: Config, key: str) -> OptionValue:
    """The value that the configuration has under "completion.temperature"."""
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    checked: OptionValue = value
    return checked


def with_values(config: Config, values: Mapping[str, OptionValue]) -> Config:
    """The configuration with checked values, by key, in place of its own."""
    changed: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        if section:
            changed[section] = dataclasses.replace(changed.get(section, getattr(config, section)), **{name: value})
        else:
            changed[name] = value
    return dataclasses.replace(config, **changed)


def add_option_argument(parser: argparse.ArgumentParser, key: str, flag: str | None = None) -> None:
    """Add an option's flag to a command; `flags_from` finds what was given. A switch has a `--no-` form too."""
    option = OPTIONS[key]
    settings: dict[str, Any] = {"dest": _DEST_PREFIX + key, "default": None}
    if isinstance(option.default, bool):
        settings["action"] = argparse.BooleanOptionalAction
    elif isinstance(option.default, tuple):
        settings |= {"action": "append", "metavar": "GLOB"}
    elif option.choices:
        settings["choices"] = option.choices
    elif option.is_size:
        settings |= {"type": _argument_type(option), "metavar": "SIZE"}
    else:
        settings |= {"type": _argument_type(option), "metavar": option.key.rpartition(".")[2].upper()}
    parser.add_argument(flag or option.flag, help=_help_text(option), **settings)


def flags_from(args: argparse.Namespace) -> dict[str, object]:
    """The options that were given on the command line, for `config.load`."""
    given = {name: value for name, value in vars(args).items() if name.startswith(_DEST_PREFIX)}
    return {name.removeprefix(_DEST_PREFIX): value for name, value in given.items() if value is not None}


def option_table() -> str:
    """All options as a table in Markdown, as it stands in docs/configuration.md."""
    rows = ["| Option | Default | Allowed | Meaning |", "|---|---|---|---|"]
    for option in OPTIONS.values():
        meaning = option.description if option.repository_may_set else f"{option.description} (not from a repository)"
        rows.append(f"| `{option.key}` | `{json.dumps(option.default)}` | {option.allowed} | {meaning} |")
    return "\n".join(rows)


def _argument_type(option: Option) -> Callable[[str], OptionValue]:
    def convert(text: str) -> OptionValue:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is {error}") from None

    return convert


def _help_text(option: Option) -> str:
    default = ", ".join(option.default) or "none" if isinstance(option.default, tuple) else json.dumps(option.default)
    return f"{option.description} (default: {default})".replace("%", "%%")
