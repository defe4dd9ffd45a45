"""What a client asks and gets: the text, its place, its form."""

from __future__ import annotations

from typing import Any

import pytest

from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, Serve, at

INLINE = {"textDocument": {"inlineCompletion": {}}}


def range_of(line: int, start: int, end: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


def asked(engine: ScriptedEngine) -> InfillRequest:
    request = engine.requests[-1]
    assert isinstance(request, InfillRequest)
    return request


def before(engine: ScriptedEngine) -> str:
    """What the model sees left of the cursor."""
    return asked(engine).prefix + asked(engine).begun


def shown(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items without their command, which is for the ledger and differs each time."""
    return [{key: value for key, value in item.items() if key != "command"} for item in items]


def test_both_providers_are_advertised(serve: Serve) -> None:
    capabilities = serve(ScriptedEngine()).capabilities
    assert capabilities["inlineCompletionProvider"] == {}
    assert "triggerCharacters" in capabilities["completionProvider"]
    assert capabilities["textDocumentSync"]["change"] == 2


def test_ghost_text_stands_at_the_cursor_and_replaces_nothing(serve: Serve) -> None:
    client = serve(ScriptedEngine(["a + b"]))
    client.open("def add(a, b):\n    return ")
    assert shown(client.inline(1, 11)) == [{"insertText": "a + b", "range": range_of(1, 11, 11)}]


def test_the_menu_offers_the_same_text_as_one_item_that_the_typed_word_matches(serve: Serve) -> None:
    client = serve(ScriptedEngine(["urn a + b"]))
    client.open("def add(a, b):\n    ret")
    [item] = client.menu(1, 7)
    assert item["textEdit"] == {"range": range_of(1, 4, 7), "newText": "return a + b"}
    assert item["label"] == item["filterText"] == "return a + b"
    assert item["insertTextFormat"] == 1
    assert item["insertTextMode"] == 1
    assert item["detail"] == "dsassist"
    assert "insertText" not in item


def test_a_menu_entry_of_several_lines_is_labelled_by_its_first_and_inserted_whole(serve: Serve) -> None:
    text = "\n    if " + " and ".join(f"check_{i}()" for i in range(5)) + ":\n        return b"
    client = serve(ScriptedEngine([text]))
    client.open("def add(a, b):")
    [item] = client.menu(0, 14)
    assert item["textEdit"]["newText"] == text
    assert item["label"].startswith("if check_0() and")
    assert len(item["label"]) == 60
    assert item["label"].endswith("and …")
    assert item["documentation"] == text.strip("\n").replace("    if", "if").replace("        return", "    return")


MARKDOWN = {"textDocument": {"completion": {"completionItem": {"documentationFormat": ["markdown", "plaintext"]}}}}


def test_what_a_label_has_no_room_for_stands_beside_it_as_code(serve: Serve) -> None:
    client = serve(ScriptedEngine(["th open(path) as file:\n        return 1"]), capabilities=MARKDOWN)
    client.open("def read(path):\n    wi")
    [item] = client.menu(1, 6)
    code = "```python\nwith open(path) as file:\n    return 1\n```"
    assert item["documentation"] == {"kind": "markdown", "value": code}


def test_code_that_holds_a_fence_has_a_longer_one_around_it(serve: Serve) -> None:
    client = serve(ScriptedEngine(['urn f(\n        "```",\n    )']), capabilities=MARKDOWN)
    client.open("def read(path):\n    ret")
    [item] = client.menu(1, 7)
    assert item["documentation"]["value"] == '````python\nreturn f(\n    "```",\n)\n````'


def test_an_entry_whose_label_is_its_text_has_nothing_beside_it(serve: Serve) -> None:
    client = serve(ScriptedEngine(["urn a + b"]), capabilities=MARKDOWN)
    client.open("def add(a, b):\n    ret")
    [item] = client.menu(1, 7)
    assert "documentation" not in item


def test_no_editor_can_take_an_entry_for_a_snippet(serve: Serve) -> None:
    """Helix went by the kind: it dropped `${name}`, and indented each line by the cursor's once more."""
    client = serve(ScriptedEngine(['"${name}"']))
    client.open("x = ")
    [item] = client.menu(0, 4)
    assert (item["kind"], item["insertTextFormat"]) == (12, 1)  # Value, PlainText
    assert item["textEdit"]["newText"] == '"${name}"'


def test_a_client_with_ghost_text_gets_no_second_copy_in_the_menu(serve: Serve) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine, capabilities=INLINE)
    client.open("x = ")
    assert client.menu(0, 4) == []
    assert engine.requests == []
    assert client.inline(0, 4)[0]["insertText"] == "1"


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_to_add_is_an_empty_list(serve: Serve, text: str) -> None:
    client = serve(ScriptedEngine([text]))
    client.open("x = 1\n")
    assert client.inline(1, 0) == []
    assert client.menu(1, 0) == []


def test_a_document_that_was_not_opened_gets_an_empty_list(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    assert client.inline(0, 0) == []


def test_columns_are_utf16_units_for_the_client_and_code_points_for_the_model(serve: Serve) -> None:
    engine = ScriptedEngine([" = 1"])
    client = serve(engine)
    client.open('s = "😋"; value; y = 2\n')
    assert client.inline(0, 15)[0]["range"] == range_of(0, 15, 15)
    assert (before(engine), asked(engine).suffix) == ('s = "😋"; value', "; y = 2\n")
    assert client.menu(0, 15)[0]["textEdit"]["range"] == range_of(0, 10, 15)


def test_columns_are_utf8_bytes_for_a_client_that_prefers_them(serve: Serve) -> None:
    engine = ScriptedEngine([" = 1"])
    client = serve(engine, capabilities={"general": {"positionEncodings": ["utf-8", "utf-16"]}})
    assert client.capabilities["positionEncoding"] == "utf-8"
    client.open('s = "😋"; value\n')
    assert client.inline(0, 17)[0]["range"] == range_of(0, 17, 17)
    assert before(engine) == 's = "😋"; value'


def test_a_file_with_crlf_gets_crlf_back(serve: Serve) -> None:
    client = serve(ScriptedEngine(["\n    c = a\n    return c"]))
    client.open("def add(a, b):\r\n\r\n")
    [item] = shown(client.inline(0, 14))
    assert item == {"insertText": "\r\n    c = a\r\n    return c", "range": range_of(0, 14, 14)}


def test_the_empty_last_line_is_a_line(serve: Serve) -> None:
    engine = ScriptedEngine(["y = 2"])
    client = serve(engine)
    client.open("x = 1\n")
    assert client.inline(1, 0)[0]["range"] == range_of(1, 0, 0)
    assert before(engine) == "x = 1\n"


@pytest.mark.parametrize(("line", "character"), [(0, 99), (99, 0), (99, 99)])
def test_a_place_outside_the_document_becomes_the_nearest_inside(serve: Serve, line: int, character: int) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    client.open("x = ")
    assert client.inline(line, character)[0]["range"] == range_of(0, 4, 4)
    assert before(engine) == "x = "


def test_an_empty_document_is_completed(serve: Serve) -> None:
    client = serve(ScriptedEngine(["import os"]))
    client.open("")
    assert shown(client.inline(0, 0)) == [{"insertText": "import os", "range": range_of(0, 0, 0)}]


def test_a_surrogate_without_its_other_half_is_no_reason_to_fail(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open('s = "\ud83d"; x = ')
    assert client.inline(0, 13)[0]["range"] == range_of(0, 13, 13)


def test_edits_are_applied_where_the_editor_made_them_though_a_line_holds_a_form_feed(serve: Serve) -> None:
    """pygls takes a form feed for the end of a line: each edit below it went to the wrong place."""
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    client.open("a = 1\n\x0c\nb = 2\n")
    client.change([{"range": range_of(2, 4, 5), "text": "3\nc = "}], version=2)
    assert client.inline(3, 4)[0]["range"] == range_of(3, 4, 4)
    assert (before(engine), asked(engine).suffix) == ("a = 1\n\x0c\nb = 3\nc = ", "\n")


def test_a_document_that_is_too_large_gets_an_empty_list_and_the_status_says_why(serve: Serve) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    client.open("#" + "é" * (2 * 1024 * 1024))
    assert client.inline(0, 1) == []
    assert client.inline(0, 1) == []
    assert client.shown() == []
    assert {"the document is above 4 MB"} == {
        params["reason"] for method, params in client.notifications if method == "dsassist/status" and params["reason"]
    }
    assert engine.requests == []


def test_a_document_of_another_scheme_is_completed(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open("x = ", uri="untitled:Untitled-1")
    assert client.inline(0, 4, uri="untitled:Untitled-1")[0]["insertText"] == "1"


def test_a_request_that_lacks_its_parts_is_answered_with_an_error(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    answer = client.answer(client.request("textDocument/inlineCompletion", {"textDocument": {"uri": URI}}))
    assert answer["error"]["code"] == -32602
    assert client.shown() == []


def test_an_unknown_method_is_answered_with_an_error(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    assert client.answer(client.request("textDocument/hover", at(0, 0)))["error"]["code"] == -32601
