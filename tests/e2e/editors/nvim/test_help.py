"""The help file's lists of settings and of options come from the tables that declare them."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from e2e.editors.nvim.editor import PLUGIN, Neovim


def make_help() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_help", PLUGIN / "make_help.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_help_has_the_settings_as_they_are() -> None:
    module = make_help()
    text = (PLUGIN / "doc" / "dsassist.txt").read_text()
    renewed = module.renewed(text, "dsassist-settings", module.settings_section())
    assert renewed == text, "renew it with `python editors/nvim/make_help.py`"
    assert "dsassist-setting-completion.max_lines" in text


def test_the_help_has_the_plugins_options_as_they_are(neovim: Neovim) -> None:
    module = make_help()
    text = (PLUGIN / "doc" / "dsassist.txt").read_text()
    renewed = module.renewed(text, "dsassist-options", module.plugin_section(str(neovim.program)))
    assert renewed == text, "renew it with `python editors/nvim/make_help.py`"
    assert "dsassist-option-keys.accept_word" in text
