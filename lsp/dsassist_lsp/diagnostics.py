"""Findings as the protocol's diagnostics, with as much as the client understands, and the page that explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from dsassist_runtime import places
from dsassist_runtime.errors import NotDone

if TYPE_CHECKING:
    from dsassist_lsp.placed import Placed

__all__ = ["SOURCE", "Understood", "diagnostic_of", "rules_page"]

SOURCE = "dsassist"

_SEVERITIES = {
    "info": types.DiagnosticSeverity.Information,
    "warning": types.DiagnosticSeverity.Warning,
    "error": types.DiagnosticSeverity.Error,
}


@dataclass(frozen=True)
class Understood:
    """What a client makes of diagnostics. One that `pulls` asks for them, and asks again when it is told to."""

    pulls: bool = False
    related: bool = False
    links: bool = False

    @classmethod
    def by(cls, capabilities: types.ClientCapabilities) -> Understood:
        """What a client has announced."""
        document, workspace = capabilities.text_document, capabilities.workspace
        pull = document.diagnostic if document else None
        push = document.publish_diagnostics if document else None
        again = workspace.diagnostics if workspace else None
        return cls(
            # One that never asks again would not see what is found seconds later.
            pulls=pull is not None and again is not None and again.refresh_support is True,
            related=bool((pull and pull.related_information) or (push and push.related_information)),
            links=bool((pull and pull.code_description_support) or (push and push.code_description_support)),
        )


def diagnostic_of(placed: Placed, version: int | None, understood: Understood, page: str | None) -> types.Diagnostic:
    """A finding as it stands in a version of its document; `page` is the address of the rules' page."""
    finding = placed.finding
    link = types.CodeDescription(f"{page}#{finding.code.lower()}") if page and understood.links else None
    return types.Diagnostic(
        range=placed.range,
        message=finding.message + (f"\n{finding.evidence}" if finding.evidence else ""),
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=link,
        source=SOURCE,
        related_information=list(placed.related) or None if understood.related else None,
        data={
            "fingerprint": finding.fingerprint,
            "fix": [_plain(edit) for edit in placed.fix] or None,
            "version": version,
        },
    )


def rules_page() -> str | None:
    """The address of a page that says what each code means; None where it cannot be written.

    It lies on this machine: an editor opens it when somebody chooses a code, and nothing is fetched.
    """
    from dsassist.review.rules import RULES

    sections = [f"## {rule.code}\n\n{rule.summary} The family is called `{rule.family}`." for rule in RULES]
    text = "\n\n".join(["# What dsassist reports", _HOW_TO_IGNORE, *sections]) + "\n"
    try:
        page = places.make_writable(places.state_dir()) / "rules.md"
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    except (OSError, NotDone, ValueError):
        return None
    return page.as_uri()


_HOW_TO_IGNORE = (
    "A comment keeps a finding quiet, on its line or the line above: `dsassist: ignore[DSA101]`, or "
    "`dsassist: ignore` for all codes. `dsassist: ignore-file[DSA101]` in a file's first lines stands for all of it."
)


def _plain(edit: types.TextEdit) -> dict[str, Any]:
    start, end = edit.range.start, edit.range.end
    return {
        "range": {
            "start": {"line": start.line, "character": start.character},
            "end": {"line": end.line, "character": end.character},
        },
        "newText": edit.new_text,
    }
