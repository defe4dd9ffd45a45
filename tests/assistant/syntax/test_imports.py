"""What each language imports, in one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.syntax.imports import Import, imports

# language, source, what is found: "line module: name=alias, ... (alias)"
CASES = [
    (
        "python",
        "import os, a.b as ab\nfrom .x import (y, z as w)\nfrom .. import q\nfrom m import *\n",
        ["1 os:", "1 a.b: (ab)", "2 .x: y=y, z=w", "3 ..: q=q", "4 m: *=*"],
    ),
    (
        "javascript",
        (
            "import D, { a, b as c } from './x';\nimport * as ns from '../y.js';\nimport 'z';\n"
            "const { p, q: r } = require('./w');\nconst v = require('v');\nexport { k } from './k';\n"
        ),
        ["1 ./x: default=D, a=a, b=c", "2 ../y.js: (ns)", "3 z:", "4 ./w: p=p, q=r", "5 v: (v)", "6 ./k:"],
    ),
    (
        "typescript",
        "import type { T } from '@/t';\nimport D, { a as b } from \"./x\";\nimport fs = require('fs');\n",
        ["1 @/t: T=T", "2 ./x: default=D, a=b"],
    ),
    (
        "go",
        'import "fmt"\nimport (\n\tst "github.com/a/b/store"\n\t. "x"\n\t"os"\n)\n',
        ["1 fmt:", "3 github.com/a/b/store: (st)", "4 x: (.)", "5 os:"],
    ),
    (
        "rust",
        "use crate::a::{b, c::{self, d as e}, f::*};\nuse super::x;\nuse std::io;\nmod y;\npub use self::y::Z;\n",
        [
            "1 crate::a: b=b",
            "1 crate::a::c: d=e",
            "1 crate::a::f: *=*",
            "2 super: x=x",
            "3 std: io=io",
            "4 y:",
            "5 self::y: Z=Z",
        ],
    ),
    ("java", "import a.b.C;\nimport static a.b.D.go;\nimport a.c.*;\n", ["1 a.b: C=C", "2 a.b.D: go=go", "3 a.c: *=*"]),
    ("c", '#include <stdio.h>\n#include "x/y.h"\n', ["1 stdio.h:", "2 x/y.h:"]),
    ("cpp", '#include "y.hpp"\n', ["1 y.hpp:"]),
    ("ruby", "require 'json'\nrequire_relative '../x/y'\n", ["1 json:", "2 ../x/y:"]),
    (
        "php",
        (
            "<?php\nuse A\\B\\C;\nuse A\\{D, E as F};\nuse function A\\go;\n"
            "require_once __DIR__ . '/x.php';\nrequire 'y.php';\n"
        ),
        ["2 A\\B: C=C", "3 A: D=D, E=F", "4 A: go=go", "5 ./x.php:", "6 ./y.php:"],
    ),
    ("lua", "local x = require('a.b')\nlocal y = require \"c\"\n", ["1 a.b: (x)", "2 c: (y)"]),
    ("bash", 'source ./lib.sh\n. "lib/x.sh"\n', ["1 ./lib.sh:", "2 ./lib/x.sh:"]),
    ("c_sharp", "using System.Text;\nusing X = A.B;\nusing static A.C;\n", ["1 System.Text:", "2 A.B: (X)", "3 A.C:"]),
    ("kotlin", "import a.b.C\nimport a.b.D as E\nimport a.c.*\n", ["1 a.b: C=C", "2 a.b: D=E", "3 a.c: *=*"]),
    ("swift", "import Foundation\n", ["1 Foundation:"]),
    (
        "scala",
        "import a.b.C\nimport a.b.{D, E => F, _}\nimport a.c.*\n",
        ["1 a.b: C=C", "2 a.b: D=D, E=F, *=*", "3 a.c: *=*"],
    ),
    ("tsx", "import A, * as b from './a';\n", ["1 ./a: default=A", "1 ./a: (b)"]),
    ("rust", "use a::{b::{c, d}, e};\n", ["1 a::b: c=c, d=d", "1 a: e=e"]),
]


def told(found: Import) -> str:
    names = ",".join(f" {name.name}={name.alias}" for name in found.names)
    return f"{found.line} {found.module}:{names}" + (f" ({found.alias})" if found.alias else "")


@pytest.mark.parametrize(("language", "source", "expected"), CASES)
def test_imports_are_found(language: str, source: str, expected: list[str]) -> None:
    assert [told(each) for each in imports(language, source)] == expected


@given(st.text(alphabet="use a:,{}* ;as\n.", max_size=80), st.sampled_from(["rust", "php", "scala", "kotlin", "java"]))
def test_half_written_imports_are_no_error(text: str, language: str) -> None:
    for each in imports(language, text):
        assert each.line <= text.count("\n") + 1


def test_a_language_without_queries_imports_nothing() -> None:
    assert imports("yaml", "import: x") == []
