"""Which files an import means, in several languages."""

from __future__ import annotations

import pytest

from dsassist.context.modules import imported_files
from dsassist.index.entry import module_key
from dsassist.syntax.imports import imports

FILES_TEXT = (
    "src/shop/__init__.py src/shop/till.py src/shop/os.py other/till.py web/src/cart.ts web/src/ui/index.tsx"
    " go/store/store.go go/store/extra.go rs/src/engine/mod.rs rs/src/engine/cache.rs java/com/x/Till.java"
    " c/include/till.h rb/lib/till.rb lua/lib/till.lua sh/lib.sh php/App/Till.php"
)
FILES = FILES_TEXT.split()


@pytest.mark.parametrize(
    ("language", "path", "source", "expected"),
    [
        ("python", "src/shop/main.py", "from .till import Till\n", ["src/shop/till.py"]),
        ("python", "src/shop/main.py", "from . import till\n", ["src/shop/__init__.py", "src/shop/till.py"]),
        ("python", "src/app.py", "import shop.till as t\n", ["src/shop/till.py"]),
        ("python", "src/app.py", "import os\n", []),
        ("python", "other/a.py", "from till import x\n", ["other/till.py"]),
        ("typescript", "web/src/app.ts", "import { Cart } from './cart';\n", ["web/src/cart.ts"]),
        ("typescript", "web/src/app.ts", "import { Button } from '@/src/ui';\n", ["web/src/ui/index.tsx"]),
        ("typescript", "web/src/app.ts", "import React from 'react';\n", []),
        ("go", "go/main.go", 'import "example.com/m/store"\n', ["go/store/extra.go", "go/store/store.go"]),
        ("rust", "rs/src/main.rs", "use crate::engine::cache::Cache;\n", ["rs/src/engine/cache.rs"]),
        ("rust", "rs/src/main.rs", "use std::engine::Cache;\n", []),
        ("java", "java/com/x/Main.java", "import com.x.Till;\n", ["java/com/x/Till.java"]),
        ("c", "c/main.c", '#include "till.h"\n', ["c/include/till.h"]),
        ("ruby", "rb/main.rb", "require_relative 'lib/till'\n", ["rb/lib/till.rb"]),
        ("lua", "lua/main.lua", "local t = require('lib.till')\n", ["lua/lib/till.lua"]),
        ("bash", "sh/run.sh", "source ./lib.sh\n", ["sh/lib.sh"]),
        ("php", "php/main.php", "<?php\nuse App\\Till;\n", ["php/App/Till.php"]),
    ],
)
def test_an_import_means_its_file(language: str, path: str, source: str, expected: list[str]) -> None:
    def modules(keys: set[str]) -> dict[str, list[str]]:
        return {key: sorted(file for file in FILES if module_key(file) == key) for key in keys}

    found = imported_files(imports(language, source), language, path, modules)
    assert sorted(file.path for file in found) == expected
