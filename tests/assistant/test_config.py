"""Where the effective configuration comes from, who may set what, and what is said of mistakes."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsassist import config, trust
from dsassist.cli import main
from dsassist.config import ConfigError, LoadedConfig
from dsassist.options import OPTIONS, Config, add_option_argument, flags_from, option_table, value_of
from dsassist_runtime import places

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a repository, as the working directory."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    monkeypatch.chdir(root)
    return root


def write_user_file(text: str) -> Path:
    places.config_dir().mkdir(parents=True, exist_ok=True)
    config.user_file().write_text(text)
    return config.user_file()


def load(
    start: Path, flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> LoadedConfig:
    return config.load(start, flags, environ or {})


# -- order


def test_each_layer_replaces_the_ones_below_it(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text("[completion]\ntemperature = 0.1\nmax_tokens = 11\nmax_prompt_tokens = 111\nmultiline = 'never'\n")
    user = write_user_file("[completion]\ntemperature = 0.2\nmax_tokens = 22\nmax_prompt_tokens = 222\n")
    environ = {"DSASSIST_COMPLETION_TEMPERATURE": "0.3", "DSASSIST_COMPLETION_MAX_TOKENS": "33"}
    loaded = load(repository, {"completion.temperature": 0.4}, environ)
    completion = loaded.config.completion
    assert (completion.temperature, completion.max_tokens) == (0.4, 33)
    assert (completion.max_prompt_tokens, completion.multiline, completion.enabled) == (222, "never", True)
    assert loaded.origins["completion.temperature"] == "--temperature"
    assert loaded.origins["completion.max_tokens"] == "DSASSIST_COMPLETION_MAX_TOKENS"
    assert loaded.origins["completion.max_prompt_tokens"] == str(user)
    assert loaded.origins["completion.multiline"] == str(file)
    assert loaded.origins["completion.enabled"] == "default"
    assert loaded.notices == []


def test_without_any_source_the_defaults_hold(repository: Path) -> None:
    loaded = load(repository)
    assert loaded.config == Config()
    assert set(loaded.origins) == set(OPTIONS)


def test_the_process_environment_is_read_when_none_is_given(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_REVIEW_MAX_FINDINGS", "3")
    assert config.load(repository).config.review.max_findings == 3


# -- the repository's file


def test_file_is_found_from_a_source_file_below_it(repository: Path) -> None:
    (repository / "dsassist.toml").write_text("[review]\nmax_findings = 4\n")
    source = repository / "src" / "deep" / "a.py"
    source.parent.mkdir(parents=True)
    source.touch()
    assert load(source).config.review.max_findings == 4
    assert load(source.parent).config.review.max_findings == 4
    assert load(repository / "src" / "new" / "unsaved.py").config.review.max_findings == 4


def test_search_ends_at_the_repositorys_root(repository: Path) -> None:
    (repository.parent / "dsassist.toml").write_text("[review]\nmax_findings = 4\n")
    assert load(repository).config.review.max_findings == 10


def test_worktree_with_a_git_file_is_a_root_too(repository: Path) -> None:
    (repository / ".git").rmdir()
    (repository / ".git").write_text("gitdir: elsewhere\n")
    (repository.parent / "dsassist.toml").write_text("[review]\nmax_findings = 4\n")
    assert load(repository).config.review.max_findings == 10


def test_outside_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "dsassist.toml").write_text("[review]\nmax_findings = 4\n")
    (tmp_path / "below").mkdir()
    assert load(tmp_path).config.review.max_findings == 4
    assert load(tmp_path / "below").config.review.max_findings == 10


def test_pyproject_with_our_table_counts(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.dsassist.review]\nexclude = ['docs/**']\n")
    loaded = load(repository)
    assert loaded.config.review.exclude == ("docs/**",)
    assert loaded.origins["review.exclude"] == str(repository / "pyproject.toml")


def test_dsassist_toml_goes_before_pyproject(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.dsassist.review]\nmax_findings = 1\n")
    (repository / "dsassist.toml").write_text("[review]\nmax_findings = 2\n")
    assert load(repository).config.review.max_findings == 2


def test_pyproject_that_does_not_speak_of_us_may_be_broken(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project\n")
    assert load(repository).config == Config()


def test_pyproject_that_depends_on_us_is_no_configuration(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project]\ndependencies = ['dsassist']\n")
    assert load(repository).notices == []


# -- consent


@pytest.mark.parametrize("model", ["builtin", "qwen2.5-coder-1.5b"])
def test_repository_may_name_a_catalogue_model(repository: Path, model: str) -> None:
    (repository / "dsassist.toml").write_text(f"model = '{model}'\n")
    loaded = load(repository)
    assert (loaded.config.model, loaded.notices) == (model, [])


@pytest.mark.parametrize(
    "model",
    ["evil.gguf", "EVIL.GGUF", "./evil", "models/evil", "~/evil", "..", "a\\b", "https://example.com", "unix://x"],
)
def test_repository_may_not_choose_a_path_or_an_address(repository: Path, model: str) -> None:
    file = repository / "dsassist.toml"
    file.write_text(f"model = '{model}'\n")
    loaded = load(repository)
    assert loaded.config.model == "builtin"
    assert loaded.origins["model"] == "default"
    (notice,) = loaded.notices
    assert notice.startswith(f"{file} sets model = {json.dumps(model)}: not used without your consent")
    assert "`dsassist config --trust`" in notice


@pytest.mark.parametrize("key", [key for key, option in OPTIONS.items() if not option.repository_may_set])
def test_repository_may_not_take_the_machine(repository: Path, key: str) -> None:
    section, name = key.split(".")
    (repository / "dsassist.toml").write_text(f"[{section}]\n{name} = 7\n")
    loaded = load(repository)
    assert loaded.config == Config()
    assert f"sets {key} = 7: not used" in loaded.notices[0]


def test_users_own_file_may_set_everything(repository: Path) -> None:
    user = write_user_file("model = 'mine.gguf'\n[engine]\nn_threads = 3\n")
    loaded = load(repository)
    assert loaded.config.model == str(user.parent / "mine.gguf")
    assert loaded.config.engine.n_threads == 3


def test_trusted_file_sets_everything_until_it_changes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = repository / "dsassist.toml"
    file.write_text("model = 'models/own.gguf'\n[engine]\nn_threads = 3\n")
    assert main(["config", "--trust"]) == 0
    own = str(repository / "models" / "own.gguf")
    assert capsys.readouterr().out.endswith('sets:\n  model = "models/own.gguf"\n  engine.n_threads = 3\n')
    loaded = load(repository)
    assert (loaded.config.model, loaded.config.engine.n_threads, loaded.notices) == (own, 3, [])

    file.write_text("model = 'models/other.gguf'\n[engine]\nn_threads = 3\n")
    changed = load(repository)
    assert (changed.config.model, changed.config.engine.n_threads) == ("builtin", 0)
    assert len(changed.notices) == 2


def test_consent_to_a_file_with_a_mistake_is_not_recorded(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text("model = './own.gguf'\n[engine]\nn_threads = -1\n")
    assert main(["config", "--trust"]) == 2
    assert not trust.is_trusted(file, file.read_bytes())


def test_consent_can_be_taken_back(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "dsassist.toml").write_text("model = './own.gguf'\n")
    assert main(["config", "--trust"]) == 0
    assert main(["config", "--untrust"]) == 0
    assert load(repository).config.model == "builtin"
    assert main(["config", "--untrust"]) == 0
    assert capsys.readouterr().out.endswith("was not trusted\n")


def test_consent_for_one_repository_is_none_for_another(tmp_path: Path) -> None:
    content = b"model = './own.gguf'\n"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dsassist.toml").write_bytes(content)
    trust.trust(tmp_path / "a" / "dsassist.toml", content)
    assert load(tmp_path / "a").config.model == str(tmp_path / "a" / "own.gguf")
    assert load(tmp_path / "b").config.model == "builtin"


def test_damaged_record_of_consent_means_no_consent(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text("model = './own.gguf'\n")
    trust.trust(file, file.read_bytes())
    record = places.state_dir() / "trust.json"
    for damage in ("{", "[]", '{"files": 3}', '{"files": {"a": 1}}'):
        record.write_text(damage)
        assert load(repository).config.model == "builtin"
    trust.trust(file, file.read_bytes())
    assert load(repository).config.model == str(repository / "own.gguf")


def test_trusting_without_a_file_says_so(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--trust"]) == 2
    assert "there is no dsassist.toml" in capsys.readouterr().err


def test_consent_that_cannot_be_recorded_says_so(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "dsassist.toml").write_text("model = './own.gguf'\n")
    places.state_dir().parent.mkdir(parents=True)
    places.state_dir().write_text("a file where the folder should be")
    assert main(["config", "--trust"]) == 3
    assert "cannot write" in capsys.readouterr().err


# -- relative paths


def test_model_path_from_environment_or_flag_counts_from_the_working_directory(repository: Path) -> None:
    expected = str(repository / "m.gguf")
    assert load(repository, environ={"DSASSIST_MODEL": "m.gguf"}).config.model == expected
    assert load(repository.parent, {"model": "./m.gguf"}).config.model == expected


def test_tilde_in_a_model_path_is_the_home(repository: Path) -> None:
    assert load(repository, {"model": "~/m.gguf"}).config.model == str(Path.home() / "m.gguf")


def test_an_adapters_path_counts_as_a_models_does(repository: Path) -> None:
    assert load(repository, {"engine.lora": "mine"}).config.engine.lora == str(repository / "mine")
    assert load(repository, {"engine.lora": "~/m.gguf"}).config.engine.lora == str(Path.home() / "m.gguf")
    assert load(repository).config.engine.lora == ""


def test_address_stays_as_it_is(repository: Path) -> None:
    assert load(repository, {"model": "http://127.0.0.1:8080/v1"}).config.model == "http://127.0.0.1:8080/v1"


# -- mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[completion]\ntemperature = 5\n",
            "completion.temperature = 5 is not allowed; allowed is a number from 0 to 2",
        ),
        ("[completion]\ntemperature = nan\n", "completion.temperature = NaN is not allowed"),
        ("[completion]\ntemperature = true\n", "completion.temperature = true is not allowed"),
        (
            "[completion]\nmax_tokens = true\n",
            "max_tokens = true is not allowed; allowed is a whole number from 1 to 4096",
        ),
        ("[completion]\nmax_tokens = 3.0\n", "completion.max_tokens = 3.0 is not allowed"),
        ("[completion]\nmax_tokens = '3'\n", 'completion.max_tokens = "3" is not allowed'),
        ("[completion]\nenabled = 1\n", "completion.enabled = 1 is not allowed; allowed is true or false"),
        ("[completion]\nmultiline = 'often'\n", 'multiline = "often" is not allowed; allowed is "auto" or "never"'),
        ("[review]\nexclude = 'a'\n", 'review.exclude = "a" is not allowed; allowed is a list of strings'),
        ("[review]\nexclude = [1]\n", "review.exclude = [1] is not allowed"),
        ("[review]\nexclude = ['']\n", 'review.exclude = [""] is not allowed'),
        ("model = ''\n", 'model = "" is not allowed'),
        ("model = 3\n", "model = 3 is not allowed"),
        ("completion = 3\n", "completion = 3 is not allowed; allowed is a table, [completion]"),
        ("[completion]\ntemperature = 1979-05-27\n", 'temperature = "1979-05-27" is not allowed'),
        ("[completion\n", "is not valid TOML: Expected ']' at the end of a table declaration (at line 1, column 12)"),
        ("x = 1\nx = 2\n", "is not valid TOML: Cannot overwrite a value (at line 2, column 6)"),
    ],
)
def test_bad_value_is_told_with_file_key_value_and_what_is_allowed(repository: Path, text: str, said: str) -> None:
    file = repository / "dsassist.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(repository)
    assert str(error.value).startswith(str(file))
    assert said in str(error.value)


def test_whole_number_serves_where_a_fraction_may_stand(repository: Path) -> None:
    (repository / "dsassist.toml").write_text("[completion]\ntemperature = 1\n")
    temperature = load(repository).config.completion.temperature
    assert isinstance(temperature, float)
    assert temperature == 1.0


def test_unknown_options_are_told_with_what_was_probably_meant(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text("colour = 1\n[completion]\ntemprature = 0.1\n[completoin]\nx = 1\n")
    loaded = load(repository)
    assert loaded.config == Config()
    assert f"{file}: unknown option completion.temprature; did you mean completion.temperature?" in loaded.notices
    assert f"{file}: unknown option colour" in loaded.notices
    assert any(notice.startswith(f"{file}: unknown option completoin") for notice in loaded.notices)


def test_a_language_that_nobody_knows_is_taken_and_told(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text('[completion]\nlanguages = ["pyhton", "Go"]\n')
    loaded = load(repository)
    assert loaded.config.completion.languages == ("pyhton", "Go")
    [notice] = loaded.notices
    assert notice == f'{file}: completion.languages names "pyhton", which dsassist does not know; did you mean python?'


def test_unknown_variable_is_told_and_a_reserved_one_is_not(repository: Path) -> None:
    environ = {
        "DSASSIST_COMPLETION_TEMPRATURE": "1",
        "DSASSIST_HOME": "/x",
        "DSASSIST_SKIP": "1",
        "DSASSIST_CATALOGUE": "c",
    }
    loaded = load(repository, environ=environ)
    assert loaded.notices == [
        "unknown environment variable DSASSIST_COMPLETION_TEMPRATURE; did you mean DSASSIST_COMPLETION_TEMPERATURE?"
    ]


def test_empty_variable_is_no_value(repository: Path) -> None:
    assert load(repository, environ={"DSASSIST_MODEL": "", "DSASSIST_REVIEW_ENABLED": ""}).config == Config()


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("DSASSIST_HOOK_STRICT", "yes", "hook.strict", True),
        ("DSASSIST_REVIEW_ENABLED", "0", "review.enabled", False),
        ("DSASSIST_ENGINE_N_CTX", "4096", "engine.n_ctx", 4096),
        ("DSASSIST_REVIEW_EXCLUDE", "docs/**, *.pb2.py,", "review.exclude", ("docs/**", "*.pb2.py")),
        ("DSASSIST_REVIEW_FAIL_LEVEL", "never", "review.fail_level", "never"),
    ],
)
def test_variable_is_read_in_the_options_own_type(
    repository: Path, name: str, text: str, key: str, value: object
) -> None:
    assert value_of(load(repository, environ={name: text}).config, key) == value


@pytest.mark.parametrize("text", ["maybe", "2"])
def test_bad_variable_is_told_by_its_name(repository: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^DSASSIST_HOOK_STRICT={text} is not allowed; allowed is true or false$"):
        load(repository, environ={"DSASSIST_HOOK_STRICT": text})


def test_directory_of_that_name_is_told(repository: Path) -> None:
    (repository / "dsassist.toml").mkdir()
    with pytest.raises(ConfigError, match=r"dsassist\.toml is no file"):
        load(repository)


def test_pipe_of_that_name_does_not_block(repository: Path) -> None:
    os.mkfifo(repository / "dsassist.toml")
    with pytest.raises(ConfigError, match=r"dsassist\.toml is no file"):
        load(repository)


def test_dangling_link_is_told(repository: Path) -> None:
    (repository / "dsassist.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"cannot read .*dsassist\.toml: no such file"):
        load(repository)


def test_bytes_that_are_no_utf8_are_told(repository: Path) -> None:
    (repository / "dsassist.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"dsassist\.toml is not UTF-8: byte 0xe9 at offset 5"):
        load(repository)


def test_nesting_beyond_measure_is_told(repository: Path) -> None:
    (repository / "dsassist.toml").write_text("x = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load(repository)


def test_file_written_on_windows_is_read(repository: Path) -> None:
    (repository / "dsassist.toml").write_bytes(b"\xef\xbb\xbf[review]\r\nmax_findings = 3\r\n")
    assert load(repository).config.review.max_findings == 3


# -- editor settings


def test_editor_settings_apply_one_by_one() -> None:
    values = {
        "model": "qwen2.5-coder-0.5b",
        "completion": {"temperature": 9, "max_tokens": 50, "multiline": None, "max_tokes": 1},
        "review": "off",
        "trace": {"server": "verbose"},
    }
    changed, notices = config.from_mapping(values, "the editor's settings", Config())
    assert (changed.model, changed.completion.max_tokens, changed.completion.temperature) == (
        "qwen2.5-coder-0.5b",
        50,
        0.3,
    )
    assert changed.completion.multiline == "auto"
    assert len(notices) == 4
    assert (
        "the editor's settings: completion.temperature = 9 is not allowed; allowed is a number from 0 to 2" in notices
    )
    assert "the editor's settings: unknown option completion.max_tokes; did you mean completion.max_tokens?" in notices


def test_editor_settings_keep_what_they_do_not_name(repository: Path) -> None:
    base = load(repository, {"completion.max_tokens": 5}).config
    changed, notices = config.from_mapping({"completion": {"temperature": 0}}, "settings", base)
    assert (changed.completion.max_tokens, changed.completion.temperature, notices) == (5, 0.0, [])


# -- flags


def parse(key: str, *argv: str) -> dict[str, object]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_option_argument(parser, key)
    return flags_from(parser.parse_args(list(argv)))


@pytest.mark.parametrize(
    ("key", "argv", "value"),
    [
        ("completion.temperature", ["--temperature", "0"], 0.0),
        ("completion.max_tokens", ["--max-tokens", "7"], 7),
        ("review.deadline_s", ["--deadline", "2.5"], 2.5),
        ("review.fail_level", ["--fail-level", "error"], "error"),
        ("review.exclude", ["--exclude", "a/**", "--exclude", "b"], ["a/**", "b"]),
        ("hook.strict", ["--no-strict"], False),
        ("model", ["--model", "m.gguf"], "m.gguf"),
    ],
)
def test_flag_is_read_in_the_options_own_type(key: str, argv: list[str], value: object) -> None:
    assert parse(key, *argv) == {key: value}
    assert parse(key) == {}


def test_every_option_can_be_a_flag_with_its_default_in_the_help() -> None:
    for key, option in OPTIONS.items():
        parser = argparse.ArgumentParser()
        add_option_argument(parser, key)
        text = " ".join(parser.format_help().split())
        assert option.flag in text
        assert option.description in text
        assert "(default: " in text


def test_flag_out_of_range_says_what_is_allowed() -> None:
    with pytest.raises(argparse.ArgumentError, match="'5' is not allowed; allowed is a number from 0 to 2"):
        parse("completion.temperature", "--temperature", "5")


def test_flags_reach_the_configuration(repository: Path) -> None:
    loaded = load(repository, parse("review.exclude", "--exclude", "a/**"))
    assert loaded.config.review.exclude == ("a/**",)
    assert loaded.origins["review.exclude"] == "--exclude"


# -- the command


def test_command_prints_values_and_origins_in_columns(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "dsassist.toml").write_text("[completion]\nmax_tokens = 50\nmax_tokes = 1\n")
    assert main(["config"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == len(OPTIONS)
    assert len({line.index(" = ") for line in lines}) == 1
    (line,) = [line for line in lines if "max_tokens " in line]
    assert line.split() == ["completion.max_tokens", "=", "50", str(repository / "dsassist.toml")]
    assert "unknown option completion.max_tokes" in printed.err


def test_command_prints_json(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["review.exclude"] == {"value": [], "origin": "default"}
    assert set(table) == set(OPTIONS)


def test_command_prints_the_users_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--path"]) == 0
    assert capsys.readouterr().out == f"{places.config_dir() / 'config.toml'}\n"


def test_command_with_a_broken_file_exits_with_2(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "dsassist.toml").write_text("[review]\nmax_findings = 0\n")
    assert main(["config"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"dsassist: {repository / 'dsassist.toml'}: review.max_findings = 0 is not allowed")


def test_document_has_the_table_of_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--docs"]) == 0
    assert capsys.readouterr().out == option_table() + "\n"
    document = (ROOT / "docs" / "configuration.md").read_text()
    assert option_table() in document, "renew the table with `dsassist config --docs`"
    assert option_table().count("\n| `") == len(OPTIONS)


# -- lenient


def test_lenient_loading_leaves_out_single_values_and_names_them(repository: Path) -> None:
    file = repository / "dsassist.toml"
    file.write_text("[review]\nmax_findings = 0\nthreshold_nats = 7.0\n")
    user = write_user_file("model = 3\n[hook]\nstrict = true\n")
    environ = {"DSASSIST_COMPLETION_MAX_TOKENS": "many", "DSASSIST_COMPLETION_TEMPERATURE": "0.1"}
    flags = {"review.deadline_s": -1.0, "review.fail_level": "never"}
    loaded = config.load(repository, flags, environ, lenient=True)
    assert loaded.config.review.max_findings == Config().review.max_findings
    assert (loaded.config.review.threshold_nats, loaded.config.hook.strict) == (7.0, True)
    assert (loaded.config.completion.temperature, loaded.config.review.fail_level) == (0.1, "never")
    assert loaded.origins["review.max_findings"] == "default"
    beginnings = (f"{file}: review.max_findings", f"{user}: model", "DSASSIST_COMPLETION_MAX_TOKENS=many", "--deadline")
    assert len(loaded.notices) == len(beginnings)
    for notice, beginning in zip(loaded.notices, beginnings, strict=True):
        assert notice.startswith(beginning)
        assert notice.endswith("; it is left out")


@pytest.mark.parametrize("broken", ["repository", "user"])
def test_lenient_loading_leaves_out_a_file_that_is_no_toml_and_keeps_the_other(repository: Path, broken: str) -> None:
    texts = {"repository": "[review]\nmax_findings = 3\n", "user": "[hook]\nstrict = true\n"} | {broken: "[[["}
    (repository / "dsassist.toml").write_text(texts["repository"])
    write_user_file(texts["user"])
    loaded = config.load(repository, {}, {}, lenient=True)
    assert loaded.config.hook.strict is (broken != "user")
    assert (loaded.config.review.max_findings == 3) is (broken != "repository")
    [notice] = loaded.notices
    assert "is not valid TOML" in notice
