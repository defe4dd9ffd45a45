"""A small corpus of this repository's own code, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def own_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three projects of our own code, each with its licence: hooks, runtime and editors."""
    sources = tmp_path_factory.mktemp("sources")
    for name, folder in (("hooks", "hooks"), ("runtime", "runtime/dsassist_runtime/engine"), ("editors", "editors")):
        (sources / name).mkdir()
        for ending in (".py", ".ts"):
            for file in sorted((_ROOT / folder).rglob(f"*{ending}")):
                if "node_modules" not in file.parts:
                    to = sources / name / file.relative_to(_ROOT / folder)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    to.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        (sources / name / "LICENSE").write_text((_ROOT / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8")
    return sources


@pytest.fixture(scope="session")
def small_corpus(own_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of these projects one is held out; with a vocabulary of 1,500 tokens."""
    pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")
    from dsassist_train.corpus.building import Wanted, collect
    from dsassist_train.corpus.writing import write_corpus

    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    texts = collect(Wanted((own_sources,), held_out=("hooks",)), lambda _: None)
    write_corpus(texts, folder, 1500, None, lambda _: None)
    return folder
