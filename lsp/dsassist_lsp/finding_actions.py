"""What can be done about a finding at its place: take its fix, ignore it by a comment, ask why, dismiss it.

The edits bear the version of the document for which they were made, so that an editor refuses them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lsprotocol import types

from dsassist_lsp.placed import Placed

__all__ = ["DISMISS", "WHY", "actions_of", "named_finding"]

WHY = "dsassist.whyFinding"
DISMISS = "dsassist.dismissFinding"

_KIND = types.CodeActionKind.QuickFix
_LONGEST_TITLE = 60


def actions_of(
    placed: Placed, diagnostic: types.Diagnostic, uri: str, version: int | None, *, versioned: bool
) -> Iterator[types.CodeAction]:
    """The actions on a finding; a client that takes no `versioned` edits gets plain ones."""

    def editing(title: str, edits: Iterable[types.TextEdit]) -> types.CodeAction:
        edit = _workspace_edit(uri, version if versioned else None, list(edits), versioned=versioned)
        return types.CodeAction(f"dsassist: {title}", kind=_KIND, diagnostics=[diagnostic], edit=edit)

    def running(title: str, command: str) -> types.CodeAction:
        argument = {"uri": uri, "fingerprint": placed.finding.fingerprint}
        full = f"dsassist: {title}"
        return types.CodeAction(
            full, kind=_KIND, diagnostics=[diagnostic], command=types.Command(full, command, arguments=[argument])
        )

    code = placed.finding.code
    if placed.fix:
        yield editing(_fix_title(placed), placed.fix)
    if placed.ignore is not None:
        yield editing(f"Ignore this here [{code}]", [placed.ignore])
    yield running(f"Why? [{code}]", WHY)
    yield running(f"Dismiss [{code}]", DISMISS)


def named_finding(arguments: Any) -> tuple[str, str] | None:
    """The document and the fingerprint that a command names; None where it came with something else."""
    try:
        (given,) = arguments
        return str(given["uri"]), str(given["fingerprint"])
    except (TypeError, ValueError, KeyError):
        return None


def _fix_title(placed: Placed) -> str:
    finding = placed.finding
    written = finding.alternative or (placed.fix[0].new_text if len(placed.fix) == 1 else "")
    line = " ".join(written.split())
    if not line:
        return f"Fix [{finding.code}]"
    return f"Replace by `{line if len(line) <= _LONGEST_TITLE else f'{line[: _LONGEST_TITLE - 3]}...'}`"


def _workspace_edit(
    uri: str, version: int | None, edits: list[types.TextEdit], *, versioned: bool
) -> types.WorkspaceEdit:
    if not versioned:
        return types.WorkspaceEdit(changes={uri: edits})
    named = types.OptionalVersionedTextDocumentIdentifier(uri, version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(named, list(edits))])
