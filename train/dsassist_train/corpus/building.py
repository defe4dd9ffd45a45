"""From folders to the texts of a corpus: projects by licence, files by what they hold, each text once, some held out.

Everything is taken in a fixed order (held-out projects first, then by name and path), so that the same folders give the
same corpus, and what is held out is never learnt from a copy of it elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from dsassist.globs import is_excluded
from dsassist_runtime.errors import DsassistError
from dsassist_train.corpus.files import LeftOut, SourceText, read_source_text
from dsassist_train.corpus.licences import UNKNOWN, is_permissive
from dsassist_train.corpus.projects import Project, find_projects, plain_name
from dsassist_train.corpus.similar import NearDuplicates, Windows, signature
from dsassist_train.packing.folder import Split

__all__ = ["LEAST_BYTES", "CorpusTexts", "Taken", "Wanted", "collect"]

LEAST_BYTES: dict[Split, int] = {"train": 200_000, "valid": 4_000}
"""Of text; with less a vocabulary is not worth learning, or a figure not worth reading."""

_TOLD_EACH = 25  # projects
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Wanted:
    """What a corpus is made of. Without `held_out` names, a share of the projects is held out, by their names' hash.

    With `held_out_by_file` it is a tenth of the files of each project instead, as it is of a single one's anyhow.
    `languages` are our names of them, none meaning all that are code; `exclude` are globs of paths below a project.
    """

    folders: tuple[Path, ...]
    any_licence: bool = False
    held_out: tuple[str, ...] = ()
    held_out_share: float = 0.02
    held_out_by_file: bool = False
    languages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass
class Taken:
    """A project of the corpus, and what came of its files; or one that is left out, with the reason."""

    project: str
    place: str
    licence: str
    split: Split = "train"
    n_files: int = 0
    n_bytes: int = 0
    left_out: str = ""


@dataclass
class CorpusTexts:
    """The texts, in the order that they are written in, with their split; and an account of the rest."""

    sources: tuple[str, ...] = ()  # the folders that were named
    files: list[tuple[SourceText, Split]] = field(default_factory=list)
    projects: list[Taken] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    n_secrets: int = 0
    held_out_by_file: bool = False

    def n_bytes(self, split: Split) -> int:
        """The UTF-8 bytes of a split."""
        return sum(taken.n_bytes for taken in self.projects if taken.split == split)


def collect(wanted: Wanted, progress: Callable[[str], None]) -> CorpusTexts:
    """Read the folders and choose. `DsassistError` where a held-out project is missing or too little is left."""
    wanted = replace(wanted, held_out=tuple(map(plain_name, wanted.held_out)))
    found: list[Project] = []
    for folder in wanted.folders:
        progress(f"looking for projects in {folder}")
        found += find_projects(folder)
    texts = CorpusTexts(tuple(str(folder.resolve()) for folder in wanted.folders))
    projects = _chosen(found, wanted, texts)
    reader = _Reader(wanted, texts)
    for i, (project, taken) in enumerate(projects):
        if i % _TOLD_EACH == 0:
            progress(f"{i} of {len(projects)} projects read, next is {project.name}")
        reader.read(project, taken)
    _hold_out_files(texts, of_each=wanted.held_out_by_file)
    _check_size(texts, wanted)
    return texts


def _chosen(found: Sequence[Project], wanted: Wanted, texts: CorpusTexts) -> list[tuple[Project, Taken]]:
    """The projects that may be taken, held-out ones first; each name once, from the first folder that has it."""
    chosen: dict[str, tuple[Project, Taken]] = {}
    for project in found:
        taken = Taken(project.name, str(project.root), project.licence, _split_of(project.name, wanted))
        if project.n_unreadable:
            texts.left_out["folder that cannot be read"] += project.n_unreadable
        if project.n_unreadable and not project.files:
            taken.left_out = "cannot be read"
        elif project.name in chosen:
            taken.left_out = "the same name as another one"
        elif not wanted.any_licence and not is_permissive(project.licence):
            taken.left_out = "licence unknown" if project.licence == UNKNOWN else f"licence {project.licence}"
        else:
            chosen[project.name] = (project, taken)
            continue
        texts.projects.append(taken)
        if project.files:
            texts.left_out[f"project: {taken.left_out}"] += len(project.files)
    if missing := [name for name in wanted.held_out if name not in chosen]:
        raise DsassistError(
            f"the project {missing[0]!r} is to be held out, and is not among the {len(chosen)} that may be taken"
            f"{_why(missing[0], texts)}"
        )
    return sorted(chosen.values(), key=lambda each: (each[1].split != "valid", each[0].name))


def _why(name: str, texts: CorpusTexts) -> str:
    reasons = [taken.left_out for taken in texts.projects if taken.project == name]
    return f" ({reasons[0]})" if reasons else ""


def _split_of(name: str, wanted: Wanted) -> Split:
    if wanted.held_out_by_file:
        return "train"
    if wanted.held_out:
        return "valid" if name in wanted.held_out else "train"
    return "valid" if _share(name) < wanted.held_out_share else "train"


def _share(name: str) -> float:
    """A number from 0 to 1 that a name stands for, always the same."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=6).digest(), "big") / 2**48


class _Reader:
    """What was read so far, against which each text is held."""

    def __init__(self, wanted: Wanted, texts: CorpusTexts) -> None:
        self._wanted = wanted
        self._texts = texts
        self._exact: set[bytes] = set()
        self._near = NearDuplicates()
        self._held_out = Windows()

    def read(self, project: Project, taken: Taken) -> None:
        """Take what may be taken of a project."""
        for path in project.files:
            found = self._read(project, path, taken.split)
            if isinstance(found, LeftOut):
                self._texts.left_out[found.reason] += 1
                continue
            self._texts.files.append((found, taken.split))
            self._texts.n_secrets += found.n_secrets
            taken.n_files += 1
            taken.n_bytes += len(found.text.encode())
        if not taken.n_files:
            taken.left_out = "no file that is taken"
        self._texts.projects.append(taken)

    def _read(self, project: Project, path: str, split: Split) -> SourceText | LeftOut:
        if is_excluded(path, self._wanted.exclude):
            return LeftOut("excluded")
        found = read_source_text(project.name, project.root, path, any_licence=self._wanted.any_licence)
        if isinstance(found, LeftOut):
            return found
        if self._wanted.languages and found.language not in self._wanted.languages:
            return LeftOut("another language")
        exact = blake2b(_BLANKS.sub(" ", found.text).encode(), digest_size=16).digest()
        if exact in self._exact:
            return LeftOut("the same as another")
        if split == "train" and self._held_out.hold(found.text):
            return LeftOut("holds what is held out")
        if not self._near.add(signature(found.text)):
            return LeftOut("nearly the same as another")
        self._exact.add(exact)
        if split == "valid":
            self._held_out.add(found.text)
        return found


def _hold_out_files(texts: CorpusTexts, *, of_each: bool) -> None:
    """Of a single project, or of each, files are held out: less than unseen, and still not learnt by heart."""
    projects = {taken.project: taken for taken in texts.projects if taken.n_files}
    if not of_each and (len(projects) != 1 or any(taken.split == "valid" for taken in projects.values())):
        return
    texts.held_out_by_file = True
    held = {name: Taken(name, one.place, one.licence, "valid") for name, one in projects.items()}
    for i, (file, _) in enumerate(texts.files):
        if _share(file.path) < 0.1:
            texts.files[i] = (file, "valid")
            for taken, sign in ((held[file.project], 1), (projects[file.project], -1)):
                taken.n_files += sign
                taken.n_bytes += sign * len(file.text.encode())
    texts.files.sort(key=lambda each: each[1] != "valid")  # those of a split together, as those of whole projects are
    texts.projects += [each for each in held.values() if each.n_files]


def _check_size(texts: CorpusTexts, wanted: Wanted) -> None:
    for split, least in LEAST_BYTES.items():
        if texts.n_bytes(split) >= least:
            continue
        taken = [each for each in texts.projects if each.n_files and each.split == split]
        n_files = sum(each.n_files for each in taken)
        what = "train" if split == "train" else "validate"
        most = ", ".join(f"{reason} {count:,}" for reason, count in texts.left_out.most_common(4))
        if wanted.held_out_by_file:  # `finetune`, which takes one folder and no names
            todo = "name a folder with more code"
        else:
            todo = "name more folders" + ("" if split == "train" else ", or projects with --held-out")
        raise DsassistError(
            f"there are {texts.n_bytes(split):,} bytes in {n_files} files of {len(taken)} projects to {what} on, and "
            f"{least:,} are the least; {todo}" + (f" (files left out: {most})" if most else "")
        )
