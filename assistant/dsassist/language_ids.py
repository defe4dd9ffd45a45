"""Languages as the options `completion.languages` and `completion.exclude_languages` name them."""

from __future__ import annotations

from collections.abc import Collection

from dsassist.syntax.languages import LANGUAGE_IDS, LANGUAGES, language_of

__all__ = ["ALL_LANGUAGES", "KNOWN_LANGUAGES", "is_listed"]

ALL_LANGUAGES = "*"

# Ids of the protocol's table, of VS Code, and Neovim's file types, of languages that we have no grammar for.
_OTHERS_TEXT = """
abap ada agda antlr apex applescript arduino asciidoc asm astro awk ballerina bat beancount bibtex bicep blade
bp bzl cairo caddyfile chuck clojure cmake cobol coffee coffeescript conf context cpon crystal cs csh csv cuda cuda-cpp
cucumber cython d dart delphi desktop diff dhall dockerfile dosbatch dosini dot dotenv dune edn eelixir ejs elixir elm
elvish embedded-template erb erlang eruby euphoria exp factor fennel fish flix fortran fsharp gdscript gdshader gherkin
git-commit git-rebase gitattributes gitcommit gitconfig gitignore gitrebase gleam glsl gnuplot gomod gosum gotmpl gowork
graphql groovy haml handlebars hare haskell haxe heex help helm hjson hlsl http hxml hyprlang idris idris2 ignore ini
java-properties jinja jinja2 jproperties jsonl jsonnet julia just kdl koka latex ld lean lean4 ledger less lhaskell
liquid lisp literate-haskell llvm log logtalk m4 make makefile markdown markdown.mdx matlab mdx mermaid meson mips
mojo mysql nasm nginx nim nix norg nu nushell objc objcpp objective-c objective-cpp objectpascal ocaml
ocaml.interface odin openscad org pascal perl perl6 plaintex plaintext plsql po postcss powershell prisma processing
prolog properties proto proto3 protobuf ps1 psql pug puppet purescript qml qmljs quarto r racket raku razor readme
reason rego rescript restructuredtext rmd rnoweb robot robotframework roc ron routeros rst sass scheme scss shaderlab
slim slint smarty sml snippets solidity sparql spec sql sqlite squirrel ssh_config starlark stata stylus supercollider
surface svelte svg systemd systemverilog tcl tct terraform-vars tex text tf tilt toml turtle twig typst typoscript v
vala vb verilog vhdl vim viml vue vue-html wast wat wgsl wit xhtml xml xonsh xquery xs xsd xsl yacc yang yara zir
"""
KNOWN_LANGUAGES = frozenset((ALL_LANGUAGES, *LANGUAGES, *LANGUAGE_IDS, *_OTHERS_TEXT.split()))


def is_listed(names: Collection[str], path: str, language_id: str) -> bool:
    """Is a document's language among these? By the editor's id or by our name of it, whatever the case; "*" is all."""
    wanted = {name.casefold() for name in names}
    return ALL_LANGUAGES in wanted or not wanted.isdisjoint((language_id.casefold(), language_of(path, language_id)))
