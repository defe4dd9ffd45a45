"""What nobody wrote by hand is not reviewed: lock files, generated, vendored and minified files, by name or by content.

`.gitattributes` has the last word: `linguist-generated`, `linguist-vendored` (either may be set to false) and `-diff`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

__all__ = ["ATTRIBUTES", "reason_by_content", "reason_by_name", "reason_to_skip", "vendor_folder"]

ATTRIBUTES = ("linguist-generated", "linguist-vendored", "diff")

_LOCK_NAMES_TEXT = """
package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock composer.lock gemfile.lock
cargo.lock go.sum go.work.sum poetry.lock pdm.lock uv.lock pipfile.lock pixi.lock conda-lock.yml pylock.toml
podfile.lock package.resolved cartfile.resolved pubspec.lock mix.lock flake.lock gradle.lockfile
packages.lock.json project.assets.json paket.lock stack.yaml.lock cabal.project.freeze rebar.lock manifest.toml
module.bazel.lock .terraform.lock.hcl chart.lock requirements.lock buf.lock shard.lock
"""
_LOCK_NAMES = frozenset(_LOCK_NAMES_TEXT.split())
_GENERATED_ENDINGS_TEXT = """
_pb2.py _pb2.pyi _pb2_grpc.py .pb.go .pb.gw.go .pb.cc .pb.h .pb.rb .pb.swift .g.dart .freezed.dart .g.cs .designer.cs
.generated.ts .generated.js .generated.go .generated.cs .generated.swift _generated.go _generated.rs .gen.go .gen.ts
.snap
"""
_GENERATED_ENDINGS = tuple(_GENERATED_ENDINGS_TEXT.split())
_MINIFIED_ENDINGS = (".min.js", ".min.css", ".min.mjs", ".js.map", ".css.map", ".bundle.js", ".chunk.js")
_VENDOR_FOLDERS_TEXT = """
node_modules bower_components jspm_packages vendor vendored _vendor third_party third-party thirdparty site-packages
Pods Carthage Godeps
"""
_VENDOR_FOLDERS = frozenset(_VENDOR_FOLDERS_TEXT.split())

_HEAD_LINES = 5
_HEAD_BYTES = 4096
_MARK = re.compile(rb"@generated\b|Code generated .{0,200}DO NOT EDIT|[Gg]enerated by .{0,200}DO NOT EDIT")
_MEAN_LINE_BYTES = 300
_LEAST_MINIFIED_BYTES = 2000
# A paragraph of prose may be one line, and data has no lines that anybody wrote.
_PROSE = (".md", ".rst", ".txt", ".tex", ".adoc", ".ipynb", ".html", ".svg", ".csv", ".tsv")


def reason_to_skip(path: str, attributes: Mapping[str, str]) -> str | None:
    """Why a file is left out, by what `.gitattributes` say of it, else by its name."""
    generated, vendored = attributes.get("linguist-generated", ""), attributes.get("linguist-vendored", "")
    if generated in ("set", "true"):
        return "generated"
    if vendored in ("set", "true"):
        return "vendored"
    if attributes.get("diff") == "unset":
        return "-diff in .gitattributes"
    return None if {generated, vendored} & {"unset", "false"} else reason_by_name(path)


def reason_by_name(path: str) -> str | None:
    """Why a file of this name is left out."""
    pure = PurePosixPath(path)
    name = pure.name.lower()
    if not _VENDOR_FOLDERS.isdisjoint(pure.parts[:-1]):
        return "vendored"
    if name in _LOCK_NAMES:
        return "lock file"
    if name.endswith(_MINIFIED_ENDINGS):
        return "minified"
    return "generated" if name.endswith(_GENERATED_ENDINGS) else None


def vendor_folder(path: PurePosixPath) -> PurePosixPath | None:
    """The folder of other people's code in which a file lies, which stands for all that is in it."""
    return next((each for each in reversed(path.parents) if each.name in _VENDOR_FOLDERS), None)


def reason_by_content(path: str, data: bytes) -> str | None:
    """Why a file with this content is left out."""
    head = b"\n".join(data[:_HEAD_BYTES].split(b"\n")[:_HEAD_LINES])
    if _MARK.search(head):
        return "generated"
    if len(data) < _LEAST_MINIFIED_BYTES or path.lower().endswith(_PROSE):
        return None
    return "minified" if len(data) > _MEAN_LINE_BYTES * (data.count(b"\n") + 1) else None
