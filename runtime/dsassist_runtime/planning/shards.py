"""The files that make one model: a GGUF alone, or a split one, of which llama.cpp is given the first file."""

from __future__ import annotations

import re
from pathlib import Path

from dsassist_runtime.errors import ModelInvalid
from dsassist_runtime.gguf import GgufHeader, read_header

__all__ = ["read_shards"]

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def read_shards(path: Path, header: GgufHeader | None = None) -> list[GgufHeader]:
    """The headers of all files of a model, the one with its metadata first, which is `header` if it was read already.

    Raises what `read_header` raises, and `ModelInvalid` for another file than the first of a split model.
    """
    first = header or read_header(path)
    count = first.integer("split.count", 1)
    if count <= 1:
        return [first]
    found = _SHARD.fullmatch(path.name)
    if found is None or int(found["count"]) != count:
        raise ModelInvalid(
            f"{path} is one of {count} files of a model, and its name does not end in -00001-of-{count:05}.gguf; "
            "give the files the names that they came with"
        )
    names = [f"{found['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    if first.integer("split.no") != 0 or path.name != names[0]:
        raise ModelInvalid(f"{path} is not the first file of its model; name {path.with_name(names[0])}")
    headers = [first, *(read_header(path.with_name(name)) for name in names[1:])]
    n_tensors = sum(len(header.tensors) for header in headers)
    stated = first.integer("split.tensors.count", n_tensors)
    if stated != n_tensors:
        raise ModelInvalid(f"the {count} files of {path} hold {n_tensors} tensors and not {stated}; pull them again")
    return headers
