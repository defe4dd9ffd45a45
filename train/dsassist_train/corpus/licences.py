"""Under which licence a project is, as an SPDX expression, and whether its code may be learnt from.

What a project states by an SPDX expression is believed. Older metadata says it in words of its own, so the texts of the
licences beside the code are read then, and all that is found has to hold (`AND`): it is rather a project too few than
one that should not be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["UNKNOWN", "in_words", "is_permissive", "is_spdx", "joined", "licence_of_text", "stated_in_file"]

UNKNOWN = ""
"""No licence could be told."""

_PERMISSIVE_TEXT = """
0BSD AFL-2.1 AFL-3.0 Apache-1.1 Apache-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause
BSL-1.0 bzip2-1.0.6 CC0-1.0 CNRI-Python curl HPND ISC JSON Libpng libpng-2.0 LicenseRef-BSD LicenseRef-Public-Domain
MIT MIT-0 MIT-CMU NCSA NTP PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 TCL Unicode-3.0 Unicode-DFS-2016 Unlicense
UPL-1.0 W3C WTFPL X11 Zlib ZPL-2.1
"""
_PERMISSIVE = frozenset(name.lower() for name in _PERMISSIVE_TEXT.split())

_OTHERS_TEXT = """
AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later Artistic-2.0 BUSL-1.1 CC-BY-3.0 CC-BY-4.0 CC-BY-NC-4.0 CC-BY-SA-4.0 CDDL-1.0
CPL-1.0 ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0 GPL-3.0-only
GPL-3.0-or-later LGPL-2.0 LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0-only LGPL-3.0-or-later MPL-1.1
MPL-2.0 MPL-2.0-no-copyleft-exception MS-PL OFL-1.1 OSL-3.0 SSPL-1.0 BSD-4-Clause GPL-1.0-or-later LGPL-2.0-or-later
"""
_KNOWN = _PERMISSIVE | {name.lower() for name in _OTHERS_TEXT.split()}

_WORDS = {
    "academic free license": "AFL-3.0",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "bsd-like": "LicenseRef-BSD",
    "simplified bsd": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
    "cc0": "CC0-1.0",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "CC0-1.0",
    "expat": "MIT",
    "gpl": "GPL-2.0-or-later",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "isc": "ISC",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "lgpl": "LGPL-2.1-or-later",
    "mit": "MIT",
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "mpl": "MPL-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psf": "PSF-2.0",
    "psf license": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "public domain": "LicenseRef-Public-Domain",
    "the unlicense": "Unlicense",
    "the unlicense (unlicense)": "Unlicense",
    "unlicense": "Unlicense",
    "zlib/libpng license": "Zlib",
    "zope public license": "ZPL-2.1",
}

# What only the text of one licence says, in lower case with single blanks.
_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AGPL-3.0", ("gnu affero general public license",)),
    ("LGPL-2.1", ("gnu lesser general public license",)),
    ("LGPL-2.0", ("gnu library general public license",)),
    ("GPL-2.0", ("gnu general public license",)),
    ("MPL-2.0", ("mozilla public license",)),
    ("EPL-2.0", ("eclipse public license",)),
    ("CDDL-1.0", ("common development and distribution license",)),
    ("EUPL-1.2", ("european union public licen",)),
    ("BUSL-1.1", ("business source license",)),
    ("SSPL-1.0", ("server side public license",)),
    ("CC-BY-4.0", ("creative commons attribution",)),
    ("LicenseRef-Commons-Clause", ("commons clause",)),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("BSL-1.0", ("boost software license",)),
    ("PSF-2.0", ("python software foundation license",)),
    ("Unlicense", ("this is free and unencumbered software",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Zlib", ("altered source versions must be plainly marked",)),
    (
        "ISC",
        ("permission to use, copy, modify, and", "for any purpose with or without fee", "copyright notice and this"),
    ),
    ("0BSD", ("permission to use, copy, modify, and", "for any purpose with or without fee is hereby granted. the")),
    (
        "MIT",
        ("permission is hereby granted, free of charge, to any person obtaining a copy", "subject to the following"),
    ),
    ("MIT-0", ("permission is hereby granted, free of charge, to any person obtaining a copy", "without limitation")),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials mentioning")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "names of")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "name of")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
)
_IMPLIED = {  # a text with the first has the phrases of the others too
    "ISC": ("0BSD",),
    "MIT": ("MIT-0",),
    "BSD-4-Clause": ("BSD-3-Clause", "BSD-2-Clause"),
    "BSD-3-Clause": ("BSD-2-Clause",),
    "AGPL-3.0": ("GPL-2.0",),
    "LGPL-2.1": ("GPL-2.0",),
    "LGPL-2.0": ("GPL-2.0",),
    "PSF-2.0": ("GPL-2.0", "CC0-1.0", "0BSD"),
}

_TOKENS = re.compile(r"\(|\)|[^\s()]+")
_HEAD_CHARACTERS = 3000
_IN_FILE = re.compile(r"SPDX-License-Identifier:\s*([^\r\n]+)")
_COPYLEFT_IN_FILE = re.compile(r"gnu (?:affero |lesser |library )?general public licen[cs]e|mozilla public licen[cs]e")


def is_spdx(expression: str) -> bool:
    """Is this an expression of licences whose names are known here?"""
    names = [word for word in _TOKENS.findall(expression) if word not in "()" and word.upper() not in _OPERATORS]
    return bool(names) and all(name.lower() in _KNOWN for name in names) and _permits(expression) is not None


def is_permissive(expression: str) -> bool:
    """May code under this licence be learnt from, and what was learnt be passed on, with attribution at most?"""
    return _permits(expression) is True


def in_words(name: str) -> str:
    """The SPDX expression of a licence that is named in words, as metadata and classifiers do; `UNKNOWN` if unclear."""
    plain = " ".join(name.replace("::", " ").split()).strip(" .").lower()
    plain = plain.removeprefix("license osi approved ").removeprefix("the ").replace("licence", "license")
    if is_spdx(name.strip()):
        return name.strip()
    if plain in _WORDS:
        return _WORDS[plain]
    for copyleft in ("agpl", "affero", "lgpl", "lesser general", "gpl", "general public"):
        if copyleft in plain:
            return {"a": "AGPL-3.0", "l": "LGPL-2.1"}.get(copyleft[0], "GPL-2.0")
    return _WORDS.get(plain.removesuffix(" license"), UNKNOWN)


def licence_of_text(text: str) -> str:
    """The licences whose own words a text holds, all of which have to hold; `UNKNOWN` if it is none."""
    plain = " ".join(re.sub(r"[*#/\"'“”]", " ", text).lower().split())
    found = [name for name, phrases in _PHRASES if all(phrase in plain for phrase in phrases)]
    implied = {other for name in found for other in _IMPLIED.get(name, ())}
    return joined(name for name in found if name not in implied)


def stated_in_file(text: str) -> str:
    """The licence that the head of a source file states for itself; `UNKNOWN` where it says nothing."""
    head = text[:_HEAD_CHARACTERS]
    if named := _IN_FILE.search(head):
        return named[1].strip(" */#->\t").strip()
    plain = " ".join(re.sub(r"[#*/;%\-]", " ", head).lower().split())
    return "GPL-2.0" if _COPYLEFT_IN_FILE.search(plain) else UNKNOWN


def joined(licences: Iterable[str]) -> str:
    """One expression that says that all of them hold."""
    each = list(dict.fromkeys(licence for licence in licences if licence))
    return " AND ".join(f"({licence})" if " OR " in licence and len(each) > 1 else licence for licence in each)


_OPERATORS = ("AND", "OR", "WITH")


def _permits(expression: str) -> bool | None:
    """Whether the expression allows it; None where it is no expression."""
    tokens = _TOKENS.findall(expression)
    try:
        value, rest = _either(tokens)
    except (IndexError, ValueError):
        return None
    return value if not rest else None


def _either(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _both(tokens)
    while rest and rest[0].upper() == "OR":
        other, rest = _both(rest[1:])
        value = value or other
    return value, rest


def _both(tokens: list[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens)
    while rest and rest[0].upper() == "AND":
        other, rest = _one(rest[1:])
        value = value and other
    return value, rest


def _one(tokens: list[str]) -> tuple[bool, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "(":
        value, rest = _either(rest)
        if rest[0] != ")":
            raise ValueError(rest[0])
        return value, rest[1:]
    if first == ")" or first.upper() in _OPERATORS:
        raise ValueError(first)
    if rest and rest[0].upper() == "WITH":  # an exception gives more, and never takes
        rest = rest[2:]
    return first.lower() in _PERMISSIVE, rest
