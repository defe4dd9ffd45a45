"""Functions with bugs: trees that read as their texts do, learnt by the evidence that the review measures."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist.bench.review.injection import draw_bugs  # noqa: E402
from dsassist.bench.review.sources import measured  # noqa: E402
from dsassist.review.likelihood.evidence import evidence_nats  # noqa: E402
from dsassist_runtime.api import Edit, EditScore  # noqa: E402
from dsassist_runtime.errors import DsassistError  # noqa: E402
from dsassist_train.architecture import PLAIN, Transformer, initialize  # noqa: E402
from dsassist_train.checkpoint import LAST, load_checkpoint  # noqa: E402
from dsassist_train.fused import operations_for  # noqa: E402
from dsassist_train.packing import BugRow, Mix, bug_rows, groups  # noqa: E402
from dsassist_train.packing.bugs import BugPlace  # noqa: E402
from dsassist_train.packing.folder import CorpusFolder  # noqa: E402
from dsassist_train.packing.functions import functions_of  # noqa: E402
from dsassist_train.preferring import evidence, prefer, token_logprobs, tree_of  # noqa: E402
from train.test_training import CONFIG, CPU, SETTINGS, run, trainer_on  # noqa: E402

pytestmark = pytest.mark.slow  # each makes bugs and trains with them

LENGTH = 512
WITH_BUGS = replace(SETTINGS, batch_tokens=1024, lengths=((0, 256), (2048, 512)), final_length=512, bug_share=0.5)


@pytest.fixture(scope="module")
def rows(small_corpus: Path) -> list[BugRow]:
    return list(islice(bug_rows(small_corpus, LENGTH, 5), 20))


def line_of(row: BugRow, token: int) -> list[int]:
    """A token with all that it comes behind."""
    found = []
    while token >= 0:
        found.append(token)
        token = int(row.parents[token])
    return found[::-1]


def test_each_branch_reads_on_as_the_function_with_the_bug(rows: list[BugRow], small_corpus: Path) -> None:
    corpus = CorpusFolder(small_corpus)
    texts = [text for _, text in corpus.texts("train")]

    def read(row: BugRow, end: int) -> str:
        tokens = [int(row.tokens[i]) for i in line_of(row, end - 1)]
        text = corpus.vocabulary.decode([token for token in tokens if token != corpus.vocabulary.marks.bos])
        return text.decode("utf-8", "ignore")  # a cut may fall within a character

    for row in rows:
        assert row.bugs
        for bug in row.bugs:
            site, site_branch = bug.written + bug.n_written, bug.branch + bug.n_branch
            behind = slice(site, site + bug.n_behind), slice(site_branch, site_branch + bug.n_behind)
            assert np.array_equal(row.tokens[behind[0]], row.tokens[behind[1]])
            assert line_of(row, bug.branch)[:-1] == line_of(row, bug.written)[:-1]
            written, with_bug = read(row, behind[0].stop), read(row, behind[1].stop)
            assert written != with_bug
            assert any(written[max(written.rfind("def "), 0) :] in text for text in texts)


def test_every_bug_parses_and_only_adds_or_removes_as_its_repair_does(small_corpus: Path) -> None:
    n_bugs, families = 0, set()
    for document, text in islice(CorpusFolder(small_corpus).texts("train"), 30):
        if document.language == "python":
            for young in functions_of(document, text, Random(3)):
                bugs = draw_bugs(young, Random(3), 8)
                assert len({bug.source_text for bug in bugs}) == len(bugs) <= 8, "no bug twice"
                edits = {candidate.edit for candidate in measured(young.task)}
                one_sided = {
                    young.function.text[: edit.start] + edit.replacement + young.function.text[edit.end :]
                    for edit in edits
                    if edit.start == edit.end or not edit.replacement
                }
                for bug in bugs:
                    ast.parse(bug.source_text)
                    with_bug = young.function.text[: bug.edit.start] + bug.edit.replacement
                    with_bug += young.function.text[bug.edit.end :]
                    assert bug.only == (with_bug in one_sided or bug.family == "missing-await")
                n_bugs += len(bugs)
                families |= {bug.family for bug in bugs}
    assert n_bugs > 100
    assert {"name", "comparison", "missing-not", "swapped-arguments"} <= families


def test_rows_go_on_exactly_at_any_position_and_from_any_number_of_workers(
    rows: list[BugRow], small_corpus: Path
) -> None:
    for i in (0, 12):
        assert_same(rows[i + 1 :], list(islice(bug_rows(small_corpus, LENGTH, 5, rows[i].position), 19 - i)))
    assert_same(rows, list(islice(bug_rows(small_corpus, LENGTH, 5, n_workers=1), 20)))


@pytest.mark.parametrize("n_with_rows", [0, 1])
def test_rows_end_where_a_whole_epoch_has_none_and_no_earlier(
    small_corpus: Path, monkeypatch: pytest.MonkeyPatch, n_with_rows: int
) -> None:
    """One document of many: its group may be the first of an epoch, and the last of the next."""
    monkeypatch.setattr(groups, "_GROUP_TOKENS", 1)  # a document each
    groups._numbers.cache_clear()
    corpus = CorpusFolder(small_corpus)
    python = [n for n, each in enumerate(corpus.documents) if each.split == "train" and each.language == "python"]

    def pack(group: groups.Group) -> list[int]:
        return [group.epoch] if groups.documents_of(group)[0] in python[:n_with_rows] else []

    try:
        for seed in range(10):
            first = groups.Group(small_corpus, LENGTH, seed, "train", Mix(), 0, 0)
            found = [row for row, _ in islice(groups.rows_from(first, 0, pack), 6)]
            assert found == list(range(6 * n_with_rows))
    finally:
        groups._numbers.cache_clear()


def assert_same(some: list[BugRow], others: list[BugRow]) -> None:
    for one, other in zip(some, others, strict=True):
        assert (one.bugs, one.position) == (other.bugs, other.position)
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("tokens", "parents", "mask"))


def test_one_pass_gives_what_every_text_by_itself_gives(rows: list[BugRow]) -> None:
    model = Transformer(replace(CONFIG, initializer_range=0.1))
    initialize(model, 3)
    row = rows[2]
    with torch.no_grad():
        found = prefer(model, [row], torch.float32, PLAIN)
        of_bugs, n_preferred = 0.0, 0
        for bug in row.bugs:
            sides = []
            for start, n_site in ((bug.written, bug.n_written), (bug.branch, bug.n_branch)):
                line = line_of(row, start + n_site + bug.n_behind - 1)
                tokens = torch.tensor([[int(row.tokens[i]) for i in line]])
                logprobs = model.logits(tokens)[0, :-1].log_softmax(-1).gather(1, tokens[0, 1:, None])[:, 0]
                sides.append(logprobs[line.index(start) - 1 :])
            nats = sum(sides[0]) - sum(sides[1])
            if bug.only:
                one = [side[:n_site] for side, n_site in zip(sides, (bug.n_written, bug.n_branch), strict=True)]
                shared = min(map(len, one))
                at_site = min(one[0][-shared:].sum() - one[1][-shared:].sum(), one[0].sum() - one[1].sum())
                nats = at_site + nats - (one[0].sum() - one[1].sum())
            of_bugs += float(torch.nn.functional.softplus(-nats))
            n_preferred += bool(nats > 0)
        stem = [line_of(row, int(i)) for i in np.flatnonzero(row.mask)]
        of_text = 0.0
        for line in (
            each for each in stem if not any(len(other) > len(each) and other[: len(each)] == each for other in stem)
        ):
            tokens = torch.tensor([[int(row.tokens[i]) for i in line]])
            of_text -= float(model.logits(tokens)[0, :-1].log_softmax(-1).gather(1, tokens[0, 1:, None]).sum())
    assert float(found.of_bugs) == pytest.approx(of_bugs, rel=1e-4)
    assert float(found.of_text) == pytest.approx(of_text, rel=1e-4)
    assert found.n_preferred == n_preferred


def test_fused_operations_give_the_plain_gradients_of_a_tree(rows: list[BugRow]) -> None:
    model = Transformer(replace(CONFIG, initializer_range=0.1))
    initialize(model, 3)
    gradients = []
    for operations in (PLAIN, operations_for(CPU)):
        found = prefer(model, rows[:2], torch.float32, operations)
        (found.of_text + 10 * found.of_bugs).backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
        model.zero_grad()
    for name, gradient in gradients[0].items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(
            gradients[1][name], gradient, rtol=2e-3, atol=1e-2, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize(
    ("written", "with_bug", "behind"),
    [
        (((-1.0, -2.0), (-0.5, -0.1, -0.2)), ((-3.0,), (-0.7, -0.1, -0.9)), 3),
        (((-1.0, -2.0), (-0.5,)), ((-2.5,), (-4.0,)), 1),
        (((-2.5,), (-0.5,)), ((-0.25, -1.5), (-0.75,)), 1),
    ],
    ids=["other words", "the written text has a word more", "the bug has a word more"],
)
@pytest.mark.parametrize("only", [False, True])
def test_the_evidence_is_that_of_the_review(written, with_bug, behind, only) -> None:
    bug = BugPlace(1, len(written[0]), 1 + len(written[0]) + behind, len(with_bug[0]), behind, only)
    row = torch.tensor([0.0, *written[0], *written[1], *with_bug[0], *with_bug[1]])
    edit = Edit(4, 4, "not ") if only else Edit(4, 8, "other")
    score = EditScore(edit, with_bug[0], written[0], with_bug[1], written[1])
    assert float(evidence(row, bug)) == pytest.approx(evidence_nats(score), abs=1e-5)


def test_log_probabilities_have_the_gradients_of_the_plain_form() -> None:
    draw = torch.Generator().manual_seed(1)
    hidden, weight = (torch.randn(n, 16, generator=draw, requires_grad=True) for n in (150, 40))
    targets = torch.randint(40, (150,), generator=draw)
    factors = torch.randn(150, generator=draw)
    gradients = []
    for form in (
        partial(token_logprobs, chunk=64),
        lambda h, w, t: (h @ w.T).log_softmax(-1).gather(1, t[:, None])[:, 0],
    ):
        told = form(hidden, weight, targets)
        gradients.append((told.detach(), *torch.autograd.grad((told * factors).sum(), (hidden, weight))))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_token_sees_what_it_comes_behind_and_nothing_else() -> None:
    tree = tree_of(np.array([[-1, 0, 1, 0, 3, -1]], dtype=np.int32), CPU)
    assert tree.positions.tolist() == [[0, 1, 2, 1, 2, 0]]
    assert (tree.mask[0] == 0).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_a_model_learns_to_prefer_what_was_written(rows: list[BugRow], small_corpus: Path, tmp_path: Path) -> None:
    settings = replace(
        WITH_BUGS, total_tokens=80 * 1024, lengths=((0, 512),), decay_share=0.3, muon_lr=0.02, adamw_lr=0.004, seed=5
    )
    trainer = trainer_on(small_corpus, settings)

    def loss() -> float:
        with torch.no_grad():
            found = prefer(trainer.model, rows, torch.float32, PLAIN)
        return float(found.of_bugs) / sum(len(row.bugs) for row in rows)

    before = loss()
    _, results, _ = run(trainer, tmp_path / "run")
    assert loss() < 0.8 * before
    assert all(0.0 <= result.preferred <= 1.0 for result in results)
    assert results[-1].tokens == settings.total_tokens


def test_an_interrupted_run_with_bugs_equals_an_uninterrupted_one(small_corpus: Path, tmp_path: Path) -> None:
    settings = replace(WITH_BUGS, total_tokens=6 * 1024)
    run(trainer_on(small_corpus, settings), tmp_path / "whole")
    for n_steps in (1, 2, 1000):
        part = trainer_on(small_corpus, settings)
        if (tmp_path / "parts" / LAST).exists():
            part.restore(load_checkpoint(tmp_path / "parts" / LAST), tmp_path / "parts" / LAST)
        run(part, tmp_path / "parts", n_steps)
    one, two = (load_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert (one.step, one.position, one.bug_position) == (two.step, two.position, two.bug_position)
    assert one.bug_position > 0
    for name, weight in one.model.items():
        assert torch.equal(weight, two.model[name]), name
    for name, momentum in one.optimizer["momenta"].items():
        assert torch.equal(momentum, two.optimizer["momenta"][name]), name


def test_a_checkpoint_of_before_there_were_bugs_still_loads(small_corpus: Path, tmp_path: Path) -> None:
    run(trainer_on(small_corpus), tmp_path / "run", n_steps=1)
    values = torch.load(tmp_path / "run" / LAST, weights_only=True)
    del values["bug_position"], values["settings"]["bug_share"]
    torch.save(values, tmp_path / "run" / LAST)
    trainer = trainer_on(small_corpus)
    trainer.restore(load_checkpoint(tmp_path / "run" / LAST), tmp_path / "run" / LAST)
    assert trainer.step().step == 2


def test_a_batch_in_parts_gives_the_weights_of_the_whole(small_corpus: Path) -> None:
    weights = []
    for micro_tokens in (2048, 256):
        settings = replace(WITH_BUGS, precision="f32", batch_tokens=2048, micro_tokens=micro_tokens)
        trainer = trainer_on(small_corpus, settings, replace(CONFIG, topk_method="greedy"))
        for _ in range(2):
            trainer.step()
        weights.append(trainer.model.embed_tokens.weight)
    torch.testing.assert_close(weights[0], weights[1], atol=2e-4, rtol=0)


def test_a_corpus_without_python_is_refused_and_so_is_a_batch_without_room(small_corpus: Path, tmp_path: Path) -> None:
    copytree(small_corpus, tmp_path / "corpus")
    index = tmp_path / "corpus" / "documents.json"
    index.write_text(index.read_text().replace('"python"', '"lua"'))
    with pytest.raises(DsassistError, match=r"no Python function that a bug .* of 256 tokens; .* leave --bugs out"):
        trainer_on(tmp_path / "corpus", WITH_BUGS).step()
    with pytest.raises(DsassistError, match="no room for a sequence of 512 and one of bugs beside it"):
        replace(WITH_BUGS, batch_tokens=512)
    with pytest.raises(DsassistError, match=r"bug_share is 1\.0, and must be at least 0 and less than 1"):
        replace(WITH_BUGS, bug_share=1.0)
