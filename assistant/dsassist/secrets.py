"""What must never enter a prompt or the index: files that hold secrets, and keys, tokens and passwords inside others.

A rule is asked only where one of its words occurs, so that a file without any costs a few substring searches. False
alarms are kept low: a hash in a lock file or a long identifier is no secret, whatever its entropy; a value counts when
its form is an issuer's own, or when it is assigned to a name that says so.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import accumulate
from pathlib import PurePath
from typing import NamedTuple

__all__ = [
    "SecretSpan",
    "has_secret",
    "is_secret_path",
    "secret_spans",
    "without_secrets",
    "without_secrets_of_parts",
]

_PLACEHOLDER = "..."

# Patterns of file names, in lower case.
_SECRET_NAMES = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "*.gpg",
    "*.ovpn",
    "*.tfstate",
    "*.tfstate.backup",
    "*.tfvars",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "credentials",
    "credentials.json",
    "credentials.y*ml",
    "credentials.toml",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "secrets.json",
    "secrets.toml",
    "secrets.y*ml",
    "secret.y*ml",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".yarnrc.yml",
    ".git-credentials",
    ".htpasswd",
    ".pgpass",
    ".my.cnf",
    ".dockercfg",
    ".s3cfg",
    ".boto",
    ".vault_pass*",
    "kubeconfig*",
    "*.kubeconfig",
    ".terraformrc",
)
_SECRET_PLACES = {
    ("config", ".kube"),
    ("config.json", ".docker"),
    ("config", ".aws"),
    ("hosts.yml", "gh"),
    ("auth.json", "composer"),
}


class SecretSpan(NamedTuple):
    """Where a secret starts and ends. `is_issued`: it has an issuer's own form, whatever stands around it."""

    start: int
    end: int
    is_issued: bool


class _Rule(NamedTuple):
    """A pattern whose last group is the secret; `words` are in lower case, one of them is in every match.

    `holds` gets the match and the secret. Patterns with `any_case` are asked of the text in lower case, and start
    with a literal: ignoring case, `re` would try them at each character.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str], str], bool] = lambda _found, _secret: True
    any_case: bool = False


def _entropy(text: str) -> float:
    """Bits per character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


_NO_SECRETS = re.compile(
    r"[{}()\[\]\s]|^[<$]|\$[({]|%[sd(]|x{4,}|\*{3,}|\.{3}"
    r"|example|change.?me|your|dummy|placeholder|fake|sample|redacted|insert|^test"
    r"|^(?:[a-z]+[-_./: ])*[a-z]+$|123456|abcdef",
    re.IGNORECASE,
)
_LEAST_PASSWORD = 6


def _is_password(value: str) -> bool:
    """Could a person or a generator have made this as a password? Plain words and placeholders are none."""
    return (
        len(value) >= _LEAST_PASSWORD
        and not _NO_SECRETS.search(value)
        and not value.isdigit()
        and _entropy(value) >= 2.5
    )


def _is_random(value: str) -> bool:
    """Letters and digits without the structure of a name or a sentence."""
    digits = sum(character.isdigit() for character in value)
    letters = sum(character.isalpha() for character in value)
    return (
        len(value) >= 16
        and digits >= 2
        and letters >= 2
        and not _NO_SECRETS.search(value)
        and _entropy(value) >= 3.2
        # identifiers, paths and addresses: words of letters, and a number here and there
        and not re.fullmatch(r"(?:[A-Za-z]+[0-9]{0,4}[-_./:@ ]+)+[A-Za-z]*[0-9]{0,4}", value)
    )


def _is_assigned(found: re.Match[str], secret: str) -> bool:
    start = found.start()
    name = re.sub(r".*[^\w.-]", "", found.string[max(0, start - 40) : start], flags=re.DOTALL) + found["name"]
    if "public" in name:
        return False
    return _is_password(secret) if "pass" in name or "pwd" in name else _is_random(secret)


def _is_assigned_bare(found: re.Match[str], secret: str) -> bool:
    """Without quotes it may be code: only what looks random counts, and nothing but a name stands before it."""
    start = found.start()
    before = found.string[found.string.rfind("\n", 0, start) + 1 : start]
    is_name = re.fullmatch(r"[ \t]*(?:-[ \t]+|export[ \t]+|set[ \t]+)?[\w.-]*", before[-120:]) is not None
    return is_name and _is_random(secret) and _is_assigned(found, secret)


def _is_password_of_address(found: re.Match[str], secret: str) -> bool:
    return not _NO_SECRETS.search(secret) and secret.lower() != found["user"].lower()


def _has_key_lines(_found: re.Match[str], secret: str) -> bool:
    return re.search(r"[A-Za-z0-9+/]{16}", secret) is not None


def _is_signed(_found: re.Match[str], _secret: str) -> bool:
    """A JSON Web Token: anybody can make one, and most that are written down have expired."""
    return True


def _looks_random(_found: re.Match[str], secret: str) -> bool:
    return _is_random(secret)


_PRIVATE_KEY = r"-----BEGIN[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_NAME = (
    r"(?P<name>(?:passw(?:or)?d|passphrase|pass|pwd|secret|token|credential"
    r"|api_?key|access_?key|private_?key|secret_?key|auth_?key|account_?key|encryption_?key|service_?key|client_?key"
    r"|database_?key|db_?key)s?)"
)
_NAME_WORDS = ("pass", "pwd", "secret", "token", "key", "credential")

_RULES = (
    _Rule(
        ("private key",),
        re.compile(_PRIVATE_KEY + r"((?:(?!-----(?:BEGIN|END))[\s\S]){16,20000})(?=-----END)"),
        _has_key_lines,
    ),
    # one whose end is out of sight
    _Rule(
        ("private key",),
        re.compile(_PRIVATE_KEY + r"((?:[^\S\n]*\n[ \t\"'+]*[A-Za-z0-9+/=]{32,}[^\n]{0,8})+)(?![\s\S]{0,9}-----END)"),
    ),
    _Rule(
        ("putty-user-key-file",),
        re.compile(
            r"PuTTY-User-Key-File-\d[\s\S]{0,4000}?Private-Lines: \d+\s+((?:[\w+/=]+\s+){1,200})(?=Private-MAC)"
        ),
    ),
    _Rule(("akia", "asia", "abia", "acca"), re.compile(r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b")),
    _Rule(
        ("aws",),
        re.compile(
            r"(?i:aws[\w.-]{0,24}(?:key|secret|token)\w*[\"']?\s*[:=]>?\s*[\"']?)([A-Za-z0-9+/]{40})(?![\w+/=])"
        ),
    ),
    _Rule(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,255})\b")),
    _Rule(("github_pat_",), re.compile(r"\b(github_pat_\w{50,})\b")),
    _Rule(
        ("gl", "gr1348941"),
        re.compile(r"\b((?:gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-|GR1348941)[\w-]{20,})"),
    ),
    _Rule(("xox",), re.compile(r"\b(xox[abeoprs]-[A-Za-z0-9-]{10,})")),
    _Rule(
        ("hooks.slack.com",),
        re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/([TE]\w+/(?:[AB]\w+/)?(?:\d+/)?\w{16,})"),
    ),
    _Rule(("discord",), re.compile(r"discord(?:app)?\.com/api/webhooks/(\d+/[\w-]{40,})")),
    _Rule(("discord",), re.compile(r"(?<![\w-])([MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38})(?![\w-])")),
    _Rule((":aa",), re.compile(r"(?<!\d)(\d{8,10}:AA[\w-]{33})(?![\w-])")),  # Telegram
    _Rule(("-us",), re.compile(r"\b([0-9a-f]{32}-us\d{1,2})\b")),  # Mailchimp
    _Rule(("sq0",), re.compile(r"\b(sq0[a-z]{3}-[\w-]{22,43})(?![\w-])")),  # Square
    _Rule(("akcp",), re.compile(r"\b(AKCp[A-Za-z0-9]{50,})\b")),  # Artifactory
    _Rule(("sk_live_", "rk_live_", "sk_test_", "rk_test_"), re.compile(r"\b([sr]k_(?:live|test)_[A-Za-z0-9]{16,})\b")),
    _Rule(("whsec_",), re.compile(r"\b(whsec_[A-Za-z0-9+/=]{24,})")),
    _Rule(("aiza",), re.compile(r"\b(AIza[\w-]{35})(?![\w-])")),
    _Rule(("ya29.",), re.compile(r"\b(ya29\.[\w-]{30,})")),
    _Rule(("gocspx-",), re.compile(r"\b(GOCSPX-[\w-]{28})")),
    _Rule(
        ("sk-",),
        re.compile(r"(?<![\w-])(sk-(?:proj-|ant-|or-|svcacct-|admin-)?[A-Za-z0-9_-]{20,})"),
        _looks_random,
    ),
    _Rule(("hf_",), re.compile(r"\b(hf_[A-Za-z0-9]{34,})\b")),
    _Rule(("npm_",), re.compile(r"\b(npm_[A-Za-z0-9]{36})\b")),
    _Rule(("_authtoken",), re.compile(r"_authToken=\s*([A-Fa-f0-9-]{36})\b")),
    _Rule(("pypi-",), re.compile(r"\b(pypi-AgE[\w-]{50,})")),
    _Rule(("dop_v1_", "doo_v1_"), re.compile(r"\b(do[op]_v1_[a-f0-9]{64})\b")),
    _Rule(("sg.",), re.compile(r"\b(SG\.[\w-]{22}\.[\w-]{43})(?![\w-])")),
    _Rule(("twilio",), re.compile(r"\b(SK[0-9a-f]{32})\b")),
    _Rule(
        ("accountkey", "sharedaccesskey"), re.compile(r"(?i:(?:Account|SharedAccess)Key)=([A-Za-z0-9+/]{40,}={0,2})")
    ),
    _Rule(("eyj",), re.compile(r"\b(eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"), _is_signed),
    _Rule(
        ("bearer ", "basic "),
        re.compile(r"\b(?i:bearer|basic) ([A-Za-z0-9+/._~-]{16,}={0,2})"),
        _looks_random,
    ),
    _Rule(("://",), re.compile(r"://(?P<user>[^\s:/@\"'<>]*):([^\s:/@\"']{3,})@(?=[\w.-])"), _is_password_of_address),
    _Rule(
        _NAME_WORDS,
        # password = "…", "password": "…", password: str = "…"
        re.compile(
            _NAME + r"[\"'\]]{0,2}\s{0,8}(?::\s*[\w.\[\]| ]{1,60})?(?:=>|:=|==?|:|,)\s{0,8}[rbuf@]{0,2}"
            r"(?P<quote>[\"'`])([^\"'`\s]{6,400})(?P=quote)"
        ),
        _is_assigned,
        any_case=True,
    ),
    _Rule(
        _NAME_WORDS,
        re.compile(_NAME + r"[ \t]{0,8}[:=][ \t]{0,8}([^\"'`\s#;,()\[\]{}]{8,400})(?=[ \t]*\r?(?:\n|\Z))"),
        _is_assigned_bare,
        any_case=True,
    ),
)


# Whether these are secrets is told by what stands around them.
_OF_ANY_FORM = (_is_assigned, _is_assigned_bare, _is_password_of_address, _is_signed, _looks_random)

_DATA_LINE = re.compile(
    r"^([ \t\"']*)(?=[A-Za-z0-9+/]{48})(?=[^\n]*\d)(?=[^\n]*[a-z])(?=[^\n]*[A-Z])[A-Za-z0-9+/]+={0,2}(?=\W*$)",
    re.MULTILINE,
)


def is_secret_path(path: str | PurePath) -> bool:
    """Is this a file that holds secrets by its nature, whatever stands in it?"""
    pure = PurePath(path)
    name = pure.name.lower()
    if any(fnmatchcase(name, pattern) for pattern in _SECRET_NAMES):
        return True
    return (name, pure.parent.name.lower()) in _SECRET_PLACES


def has_secret(text: str) -> bool:
    """Does the text hold a key, a token or a password?"""
    return next(_secrets(text), None) is not None


def secret_spans(text: str) -> list[SecretSpan]:
    """Where the secrets stand, in the order of the text and apart from each other."""
    return _apart(_secrets(text))


def without_secrets(text: str) -> str:
    """The text with each secret replaced by `...`; it keeps its lines, so that their numbers stay true."""
    return _replaced(text, secret_spans(text))


def without_secrets_of_parts(*parts: str) -> tuple[str, ...]:
    """The same for parts of a file that follow each other, of which the first may begin within a key, the last end so.

    A secret that reaches from one part into the next is replaced in both. Lines of data alone are replaced, whatever
    they are: nothing may mark them as a key's, and to a model they are of no use anyway.
    """
    spans = list(_secrets_of_part("".join(parts)))
    starts = [0, *accumulate(map(len, parts))]
    for start, part in zip(starts, parts, strict=False):  # what is whole in its part, whatever follows
        spans += (_moved(span, start) for span in _secrets_of_part(part))
    apart = _apart(spans)
    return tuple(_replaced(part, _within(apart, start, part)) for start, part in zip(starts, parts, strict=False))


@lru_cache(maxsize=16)  # while a line is typed, most parts stay what they are
def _secrets_of_part(text: str) -> tuple[SecretSpan, ...]:
    data = (SecretSpan(found.end(1), found.end(), is_issued=False) for found in _DATA_LINE.finditer(text))
    return (*_secrets(text), *data)


def _apart(spans: Iterable[SecretSpan]) -> list[SecretSpan]:
    """Spans in the order of their text, those that overlap as one: two rules may find one secret."""
    apart: list[SecretSpan] = []
    for span in sorted(spans):
        if apart and span.start < apart[-1].end:
            last = apart.pop()
            span = SecretSpan(last.start, max(last.end, span.end), last.is_issued or span.is_issued)
        apart.append(span)
    return apart


def _moved(span: SecretSpan, by: int) -> SecretSpan:
    return span._replace(start=span.start + by, end=span.end + by)


def _within(spans: Iterable[SecretSpan], start: int, part: str) -> list[SecretSpan]:
    """What of the spans lies in the part of the text that begins at `start`, in the part's own offsets."""
    end = start + len(part)
    return [
        _moved(span._replace(start=max(start, span.start), end=min(end, span.end)), -start)
        for span in spans
        if span.start < end and span.end > start
    ]


def _replaced(text: str, spans: Iterable[SecretSpan]) -> str:
    kept, end = [], 0
    for start, stop, _ in spans:
        lines = text[start:stop].split("\n")
        kept += [text[end:start], "\n".join(_PLACEHOLDER if line.strip() else line for line in lines)]
        end = stop
    return "".join([*kept, text[end:]])


def _secrets(text: str) -> Iterator[SecretSpan]:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters become two
        lowered = "".join(character.lower() if character.isascii() else character for character in text)
    for rule in _RULES:
        if any(word in lowered for word in rule.words):
            for found in rule.pattern.finditer(lowered if rule.any_case else text):
                start, end = found.span(found.re.groups)
                if rule.holds(found, text[start:end]):
                    yield SecretSpan(start, end, rule.holds not in _OF_ANY_FORM)
