"""What an action found, shown in the editor: an edit of a version of a document, a new file, or an explanation.

An explanation opens as a temporary Markdown file where the client can show a document on request: it is read beside
the code, scrolled, rendered and kept. A message, which many editors cut to a line or let vanish, is the last resort.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import from_fs_path

from dsassist_lsp.documents import SourceDocument, position_of
from dsassist_runtime.errors import NotDone

if TYPE_CHECKING:
    from dsassist.chat_actions.outcome import Explanation, FileChange, Outcome
    from dsassist_lsp.server import Server

__all__ = ["WorkspaceEdits"]

_LONGEST_MESSAGE = 1200


class WorkspaceEdits:
    """Speaks to one client; the temporary files live as long as the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def show(self, outcome: Outcome, document: SourceDocument, version: int | None, title: str) -> None:
        """Show what came out of a question about `document` as it was at `version`; `NotDone` when that cannot be."""
        from dsassist.chat_actions.outcome import Explanation

        if isinstance(outcome, Explanation):
            await self._explain(outcome)
            return
        if outcome.path is None and document.version != version:
            raise NotDone("the file was edited meanwhile, so nothing was inserted; ask again")
        await self._apply(outcome, document, title)
        if outcome.path is not None:
            await self._show_file(outcome, title)

    def say(self, text: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show a sentence, also one that was shown before: somebody asked, and waits for an answer."""
        self._server.window_show_message(types.ShowMessageParams(kind, f"dsassist: {text}"))

    def text_of(self, path: Path) -> str | None:
        """A file's text: the editor's where it is open there; None when there is no such file, or no text in it."""
        if (opened := self._opened(path)) is not None:
            return opened.source
        try:
            return path.read_bytes().decode("utf-8") if path.is_file() else None
        except (OSError, UnicodeDecodeError):
            return None

    def _opened(self, path: Path) -> SourceDocument | None:
        found = self._server.workspace.text_documents.get(unquote(path.as_uri()))
        return found if isinstance(found, SourceDocument) else None

    async def _apply(self, change: FileChange, document: SourceDocument, title: str) -> None:
        target = document if change.path is None else self._opened(change.path)
        if target is not None and target.source != change.before:
            raise NotDone(f"{target.filename} was edited meanwhile, so nothing was inserted; ask again")
        uri = target.uri if target else from_fs_path(str(change.path))
        assert uri is not None, "a path has a URI"
        counted = target or SourceDocument(
            types.TextDocumentItem(uri, "", 0, change.before), self._server.workspace.position_encoding
        )
        edits = [
            types.TextEdit(types.Range(position_of(counted, each.start), position_of(counted, each.end)), each.text)
            for each in change.changes
        ]
        edit = self._workspace_edit(change, uri, target.version if target else None, edits)
        workspace = self._server.client_capabilities.workspace
        if not (workspace and workspace.apply_edit):
            raise NotDone("this editor takes no edits from a language server, so nothing was inserted")
        answer = await self._server.workspace_apply_edit_async(
            types.ApplyWorkspaceEditParams(edit, f"dsassist: {title}")
        )
        if not answer.applied:
            reason = f": {answer.failure_reason}" if answer.failure_reason else ""
            raise NotDone(f"the editor did not take the edit{reason}; ask again")

    def _workspace_edit(
        self, change: FileChange, uri: str, version: int | None, edits: list[types.TextEdit]
    ) -> types.WorkspaceEdit:
        workspace = self._server.client_capabilities.workspace
        known = workspace.workspace_edit if workspace else None
        creates = types.ResourceOperationKind.Create in ((known and known.resource_operations) or ())
        if change.is_new and not (creates and known and known.document_changes):
            raise NotDone(f"this editor creates no files for a language server; create {change.path} and ask again")
        if not (known and known.document_changes):  # an old client: it cannot check the version, we have just done so
            return types.WorkspaceEdit(changes={uri: edits})
        new: list[types.CreateFile] = [types.CreateFile(uri)] if change.is_new else []
        named = types.OptionalVersionedTextDocumentIdentifier(uri, version)
        return types.WorkspaceEdit(document_changes=[*new, types.TextDocumentEdit(named, list(edits))])

    async def _show_file(self, change: FileChange, title: str) -> None:
        """Let the user see what came into another file, or tell where it is."""
        assert change.path is not None, "the document itself is in sight"
        if self._shows_documents():
            start = len(change.before.rstrip())
            place = SourceDocument(
                types.TextDocumentItem("", "", 0, change.after), self._server.workspace.position_encoding
            )
            at = position_of(place, min(len(change.after), start + 2))
            params = types.ShowDocumentParams(change.path.as_uri(), take_focus=True, selection=types.Range(at, at))
            await self._server.window_show_document_async(params)
        self.say(f"{title}: check the values in {change.path.name}; the model guessed what is expected")

    async def _explain(self, explanation: Explanation) -> None:
        if self._shows_documents():
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="dsassist-", ignore_cleanup_errors=True)
            name = "".join(each if each.isalnum() else "-" for each in explanation.title)[:40]
            path = Path(self._folder.name, f"{name}.md")
            path.write_text(explanation.markdown, encoding="utf-8")
            params = types.ShowDocumentParams(path.as_uri(), take_focus=False)
            if (await self._server.window_show_document_async(params)).success:
                return
        text = explanation.markdown.partition("\n\n")[2].strip()
        self.say(text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…")

    def _shows_documents(self) -> bool:
        window = self._server.client_capabilities.window
        return bool(window and window.show_document and window.show_document.support)
