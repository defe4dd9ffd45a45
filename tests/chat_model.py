"""The builtin model with a chat template: what it says is noise, but it chats."""

from __future__ import annotations

import struct
from pathlib import Path

_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"


def write_chat_model(builtin_model: Path, path: Path) -> Path:
    """A copy of the model with one more entry in its metadata."""
    name = b"tokenizer.chat_template"
    n_bytes = 8 + len(name) + 4 + 8 + len(_TEMPLATE)
    template = _TEMPLATE + "{#" + "-" * (-(n_bytes + 4) % 32) + "#}"  # the tensors behind it stay aligned
    entry = struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, len(template)) + template.encode()
    model = builtin_model.read_bytes()
    (n_entries,) = struct.unpack_from("<Q", model, 16)
    path.write_bytes(model[:16] + struct.pack("<Q", n_entries + 1) + entry + model[24:])
    return path
