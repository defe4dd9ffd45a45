"""A student learns from what a teacher thinks, or from what it writes; both go on exactly where they stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist.cli import run_command  # noqa: E402
from dsassist_runtime.errors import DsassistError, NotDone  # noqa: E402
from dsassist_runtime.testing import ScriptedEngine  # noqa: E402
from dsassist_train.checkpoint import LAST, load_checkpoint, save_checkpoint  # noqa: E402
from dsassist_train.distil_teacher import check_same_vocabulary, teach  # noqa: E402
from dsassist_train.distil_texts import write_middles, write_taught_corpus  # noqa: E402
from dsassist_train.export import export_gguf  # noqa: E402
from dsassist_train.lessons import Lesson, LessonPlan, Lessons, add_lesson  # noqa: E402
from dsassist_train.losses import Taught, chunked_cross_entropy, cross_entropy  # noqa: E402
from dsassist_train.packing import sequences  # noqa: E402
from dsassist_train.packing.folder import MIDDLE, CorpusFolder  # noqa: E402
from dsassist_train.sitting import locked_run  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata, load_tokenizer  # noqa: E402
from dsassist_train.training import Trainer  # noqa: E402
from train.test_importing import SMALL, model_of  # noqa: E402
from train.test_training import CONFIG, CPU, SETTINGS, run  # noqa: E402

LENGTH, K = 64, 8
TEACHER = replace(SMALL, num_experts_per_tok=SMALL.n_routed_experts)  # rounding chooses no other expert
PLAN = LessonPlan("corpus", "teacher", LENGTH, K, seed=3, n_lessons=5)


@pytest.fixture(scope="module")
def teacher(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.gguf"
    export_gguf(model_of(TEACHER), gguf_metadata(small_corpus / "tokenizer.json"), path, "F32", name="teacher")
    return path


@pytest.fixture(scope="module")
def lessons(small_corpus: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    found = Lessons.begin(tmp_path_factory.mktemp("lessons"), PLAN)
    assert teach(found, small_corpus, teacher, on_lesson=lambda _: None)
    return found


def asked(chance: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Taught]:
    """300 hidden states and what is asked of them, with a teacher whose first token may be what stands there."""
    generator = torch.Generator().manual_seed(chance)
    hidden, weight = (torch.randn(n, 16, generator=generator) for n in (300, 90))
    targets = torch.randint(0, 90, (300,), generator=generator)
    counted = torch.rand(300, generator=generator) < 0.8
    ids = torch.stack([torch.randperm(90, generator=generator)[:K] for _ in range(300)])
    ids[::2, 0] = targets[::2]
    ids[::2, 1:] = (targets[::2, None] + torch.arange(1, K)) % 90
    logits = torch.randn(300, 90, generator=generator) * 2
    return hidden, weight, targets, counted, Taught(ids, logits.log_softmax(-1).gather(1, ids))


def test_the_loss_in_chunks_is_the_plain_one_and_so_are_its_gradients():
    hidden, weight, targets, counted, taught = asked()
    found = []
    for loss in (cross_entropy, chunked_cross_entropy):
        one, other = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        value = loss(one, other, targets, counted, taught)
        value.backward()
        found.append((value.detach(), one.grad, other.grad))
    for plain, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, plain, atol=1e-6, rtol=1e-5)


def test_the_loss_is_least_where_the_student_thinks_as_the_teacher_and_the_text_do():
    """Between both: with half a vote each, the best distribution is their mean."""
    _, _, targets, counted, taught = asked()
    p = torch.full((300, 90), 0.0).scatter(1, taught.ids, taught.logprobs.exp())
    p += (p == 0) * ((1 - p.sum(1, keepdim=True)) / (90 - K))
    best = 0.5 * p + 0.5 * torch.nn.functional.one_hot(targets, 90)
    # A hidden state for each place, and the identity as the output: logits as one likes.
    eye = torch.eye(90)

    def loss(q: torch.Tensor) -> float:
        return float(cross_entropy(q.log(), eye, targets, counted, taught))

    others = [0.9 * best + 0.1 * q for q in (p, torch.full((300, 90), 1 / 90), best.roll(1, 0))]
    assert all(loss(best) < loss(other / other.sum(1, keepdim=True)) for other in others)


def test_lessons_are_what_the_teacher_thinks(small_corpus: Path, lessons: Lessons):
    model = model_of(TEACHER)
    packed = list(zip(sequences(small_corpus, LENGTH + 1, PLAN.seed), range(PLAN.n_lessons), strict=False))
    rows = {row.tokens.tobytes(): row for row, _ in zip(lessons.rows(1, 0), range(PLAN.n_lessons), strict=False)}
    assert len(rows) == PLAN.n_lessons
    n_told = 0
    for each, _ in packed:
        row = rows[each.tokens.tobytes()]
        assert (row.mask == each.mask).all()
        with torch.no_grad():
            ours = model.logits(torch.from_numpy(each.tokens[None, :-1]).long())[0].log_softmax(-1).numpy()
        told = each.mask[1:]
        n_told += told.sum()
        np.testing.assert_allclose(np.take_along_axis(ours, row.ids, 1)[told], row.logprobs[told], atol=0.03)
        least = np.sort(ours, axis=1)[:, -K][told]
        assert (row.logprobs[told].min(1) > least - 0.03).all(), "the likeliest are told"
        assert all(len(set(ids.tolist())) == K for ids in row.ids)
    assert n_told > 100


def test_an_interrupted_teacher_says_the_same(small_corpus: Path, teacher: Path, lessons: Lessons, tmp_path: Path):
    told: list[int] = []
    again = Lessons.begin(tmp_path / "again", PLAN)
    assert not teach(again, small_corpus, teacher, on_lesson=told.append, should_stop=lambda: len(told) > 2)
    assert again.n_written == 2
    with again.path.open("ab") as file:
        file.write(b"cut")  # as a crash leaves it
    again = Lessons.begin(tmp_path / "again", PLAN)
    assert teach(again, small_corpus, teacher, on_lesson=told.append)
    assert again.path.read_bytes() == lessons.path.read_bytes()
    assert told == [0, 1, 2, 2, 3, 4, 5]
    with pytest.raises(DsassistError, match=r"has lessons of other settings \(k, seed differ\)"):
        Lessons.begin(tmp_path / "again", replace(PLAN, k=9, seed=4))


def test_a_full_disk_keeps_the_lessons_that_are_there(tmp_path: Path):
    lessons = Lessons.begin(tmp_path, PLAN)
    lesson = Lesson(*(np.zeros(PLAN.dtype[name].shape) for name in ("tokens", "mask")), 0, *2 * (np.zeros((64, K)),))
    add_lesson(lessons, lesson)
    before = lessons.path.read_bytes()
    lessons.path.rename(tmp_path / "kept")
    lessons.path.symlink_to("/dev/full")  # every write there finds no space left
    with pytest.raises(NotDone, match=r"cannot write .*lessons\.bin: no space left on device; make room"):
        add_lesson(lessons, lesson)
    assert (tmp_path / "kept").read_bytes() == before


def test_a_plan_that_cannot_be_read_costs_no_lessons(tmp_path: Path):
    lessons = Lessons.begin(tmp_path, PLAN)
    lessons.path.write_bytes(b"what a teacher said")
    (tmp_path / "lessons.json").unlink()
    (tmp_path / "lessons.json").mkdir()
    with pytest.raises(NotDone, match=r"cannot read .*lessons\.json: is a directory"):
        Lessons.begin(tmp_path, PLAN)
    assert lessons.path.read_bytes() == b"what a teacher said"


@pytest.mark.parametrize("written", ["", '{"corpus": ', '{"corpus": "of another version"}'])
def test_lessons_without_a_plan_are_not_thrown_away(written: str, tmp_path: Path):
    """They were deleted, hours of a teacher, where their plan was cut or of other fields."""
    (tmp_path / "lessons.json").write_text(written)
    (tmp_path / "lessons.bin").write_bytes(b"what a teacher said")
    with pytest.raises(NotDone, match=r"lessons\.json does not tell .*; put it back, or delete .* to ask"):
        Lessons.begin(tmp_path, PLAN)
    assert (tmp_path / "lessons.bin").read_bytes() == b"what a teacher said"
    (tmp_path / "lessons.bin").write_bytes(b"")
    assert Lessons.begin(tmp_path, PLAN).n_written == 0
    assert Lessons.begin(tmp_path, PLAN).plan == PLAN


def test_each_turn_has_all_lessons_in_another_order_from_any_place_on(lessons: Lessons):
    rows = [row for row, _ in zip(lessons.rows(7, 0), range(10), strict=False)]
    keys = [row.tokens.tobytes() for row in rows]
    assert set(keys[:5]) == set(keys[5:])
    assert len(set(keys)) == 5
    assert keys[:5] != keys[5:]
    for start in range(10):
        again = next(lessons.rows(7, start))
        assert (again.tokens.tobytes(), again.position) == (keys[start], start + 1)


def distilled(corpus: Path, lessons: Lessons, **changes: float) -> Trainer:
    settings = replace(SETTINGS, lengths=((0, LENGTH),), final_length=LENGTH, precision="f32", **changes)
    return Trainer(corpus, CONFIG, settings, CPU, lessons=lessons)


def test_an_interrupted_distillation_equals_an_uninterrupted_one(small_corpus: Path, lessons: Lessons, tmp_path: Path):
    run(distilled(small_corpus, lessons), tmp_path / "whole")
    for n_steps in (1, 3, 1000):
        part = distilled(small_corpus, lessons)
        if (tmp_path / "parts" / LAST).exists():
            part.restore(load_checkpoint(tmp_path / "parts" / LAST), tmp_path / "parts" / LAST)
        run(part, tmp_path / "parts", n_steps)
    one, two = (load_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert (one.step, one.position) == (two.step, two.position) == (8, 64)
    assert all(torch.equal(weight, two.model[name]) for name, weight in one.model.items())
    other = Trainer(small_corpus, CONFIG, one.settings, CPU)
    with pytest.raises(DsassistError, match="was trained with another corpus"):
        other.restore(one, tmp_path / "whole" / LAST)


def test_a_student_learns_what_only_the_teacher_says(small_corpus: Path, lessons: Lessons, tmp_path: Path):
    """The teacher's weights were drawn by chance: nothing in the text says what it thinks."""
    trainer = distilled(small_corpus, lessons, total_tokens=120 * 512, muon_lr=0.03, adamw_lr=0.02)
    rows = [row for row, _ in zip(lessons.rows(0, 0), range(5), strict=False)]
    tokens = torch.from_numpy(np.stack([row.tokens for row in rows])).long()
    counted = torch.from_numpy(np.stack([row.mask for row in rows]))[:, 1:].flatten()
    ids = torch.from_numpy(np.stack([row.ids for row in rows])).long().flatten(0, 1)
    p = torch.from_numpy(np.stack([row.logprobs for row in rows])).float().flatten(0, 1).exp()

    def agreement() -> float:
        with torch.no_grad():
            log_q = trainer.model.logits(tokens[:, :-1]).flatten(0, 1).log_softmax(-1)
        return float((p * log_q.gather(1, ids)).sum(1)[counted].mean() / p.sum(1)[counted].mean())

    before = agreement()
    run(trainer, tmp_path / "run")
    assert agreement() > before + 0.5


def test_another_vocabulary_is_refused_with_what_does_without(small_corpus: Path, builtin_model: Path, teacher: Path):
    corpus = CorpusFolder(small_corpus)
    check_same_vocabulary(teacher, corpus)
    with pytest.raises(DsassistError, match=r"another vocabulary than builtin\.gguf.*let the teacher write.*--written"):
        check_same_vocabulary(builtin_model, corpus)


def test_what_a_teacher_writes_is_the_hole_of_a_document(small_corpus: Path, tmp_path: Path):
    corpus, told = CorpusFolder(small_corpus), []
    writer = ScriptedEngine([f"x{i} = 1\nand\nmore\n" * 9 for i in range(20)])
    assert write_middles(corpus, writer, tmp_path, 20, 5, on_middle=told.append)
    assert told == list(range(21))
    taught = write_taught_corpus(corpus, tmp_path, 20, 5)
    written = taught.documents[len(corpus.documents) :]
    assert (len(written), {document.split for document in written}) == (20, {"train"})
    for number, request in enumerate(writer.requests, len(corpus.documents)):
        (span,) = taught.spans_of(number)
        data = taught.bytes_of(number)
        assert span.kind == MIDDLE
        assert data[: span.start].decode() == request.prefix  # type: ignore[union-attr]
        assert data[span.end :].decode() == request.suffix
        assert data[span.start : span.end].decode().startswith(request.begun + "x")  # type: ignore[union-attr]
    assert [each for each, _ in zip(taught.texts("valid"), range(99), strict=False)] == list(corpus.texts("valid"))


def test_an_interrupted_writer_goes_on_and_other_holes_are_refused(small_corpus: Path, tmp_path: Path):
    corpus, told = CorpusFolder(small_corpus), []
    first, second = ScriptedEngine(["a = 1"]), ScriptedEngine(["b = 2"])
    assert not write_middles(corpus, first, tmp_path, 6, 5, on_middle=told.append, should_stop=lambda: len(told) > 2)
    with (tmp_path / "written.jsonl").open("a") as file:
        file.write('{"cut')  # as a crash leaves it
    assert write_middles(corpus, second, tmp_path, 6, 5, on_middle=told.append)
    assert (len(first.requests), len(second.requests)) == (2, 4)
    lines = [json.loads(line) for line in (tmp_path / "written.jsonl").read_text().splitlines()]
    assert ["a = 1" in line["middle"] for line in lines] == [True] * 2 + [False] * 4
    with pytest.raises(DsassistError, match=r"written\.jsonl has middles of another corpus, seed or number"):
        write_middles(corpus, second, tmp_path, 6, 6, on_middle=told.append)
    with pytest.raises(DsassistError, match=r"written\.jsonl has middles of another teacher"):
        write_middles(corpus, second, tmp_path, 6, 5, teacher="other", on_middle=told.append)


def test_written_middles_are_trained_on_as_holes(small_corpus: Path, tmp_path: Path):
    corpus = CorpusFolder(small_corpus)
    writer = ScriptedEngine(["written_by_the_teacher()"])
    write_middles(corpus, writer, tmp_path, 30, 5, on_middle=lambda _: None)
    taught = write_taught_corpus(corpus, tmp_path, 30, 5)
    tokenizer = load_tokenizer(taught.path / "tokenizer.json")
    marks, found = tokenizer.marks, 0
    for packed in sequences(taught.path, 513, 1, epochs=1):
        tokens = packed.tokens.tolist()
        while marks.middle in tokens:
            tokens = tokens[tokens.index(marks.middle) + 1 :]
            middle = tokens[: tokens.index(marks.eot)] if marks.eot in tokens else tokens
            found += b"written_by_the_teacher()" in tokenizer.decode(middle)
    assert found >= 8, "most of the pieces with a hole have it where the teacher wrote"


def distil(*arguments: object) -> tuple[int, str]:
    done = run_command(["train", "distil", *map(str, arguments)])
    return done.exit_code, done.error_message


@pytest.mark.slow
def test_the_command_asks_the_teacher_trains_and_goes_on(
    small_corpus: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_folder, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(json.dumps({**CONFIG.as_json(), "aux_loss_alpha": 0.0}))
    options = ["--teacher", teacher, "--out", run_folder, "--threads", "1", "--json"]
    new = ["--config", config, "--teacher-tokens", "500", "--length", "64", "--batch-tokens", "256", "--tokens"]
    assert distil(small_corpus, *options, *new, "1024", "--minutes", "1e-9") == (0, "")
    assert json.loads(capsys.readouterr().out) == {"is_done": False}, "the time was up before the teacher began"
    assert distil(small_corpus, *options, *new, "1024") == (0, "")
    told = json.loads(capsys.readouterr().out)
    assert (told["tokens"], told["is_done"]) == (1024, True)
    assert load_checkpoint(run_folder / LAST).config == replace(CONFIG, aux_loss_alpha=0.0)
    assert (run_folder / "lessons/lessons.bin").stat().st_size == 8 * replace(PLAN, k=16).dtype.itemsize
    assert distil(small_corpus, *options, "--teacher-tokens", "500", "--length", "64") == (0, "")
    assert json.loads(capsys.readouterr().out)["is_done"], "a run that is done stays done"
    code, said = distil(small_corpus, *options, "--teacher-tokens", "900", "--length", "64")
    assert (code, "has lessons of other settings (n_lessons differ)" in said) == (2, True), said


def test_what_makes_no_run_is_refused_before_the_teacher_reads(small_corpus: Path, teacher: Path, tmp_path: Path):
    """It was only when the teacher had read everything."""
    config, values = tmp_path / "config.json", CONFIG.as_json()
    short = ["--teacher", teacher, "--out", tmp_path / "run", "--length", "128", "--minutes", "1e-9"]
    for changes, more, sentence in (
        ({"max_position_embeddings": 64}, [], "max_position_embeddings is 64, and sequences of 128"),
        ({"hidden_size": "x"}, [], "hidden_size is 'x'"),
        ({"num_hidden_layers": 27, "q_lora_rank": 16}, [], "27 layers for V2-Lite"),
        ({}, ["--written", "3", "--length", "32"], "sequences of 32 tokens are too short"),
    ):
        config.write_text(json.dumps({**values, **changes}))
        code, said = distil(small_corpus, *short, "--config", config, *more)
        assert (code, sentence in said) == (2, True), said
    assert not (tmp_path / "run" / "lessons").exists()


def test_the_run_of_another_vocabulary_keeps_its_tokenizer(small_corpus: Path, teacher: Path, tmp_path: Path):
    """Its tokenizer.json was overwritten first, and it could not be exported any more."""
    checkpoint = replace(Trainer(small_corpus, CONFIG, SETTINGS, CPU).checkpoint(), tokenizer="another")
    save_checkpoint(checkpoint, tmp_path / LAST)
    (tmp_path / "tokenizer.json").write_text("theirs")
    code, said = distil(small_corpus, "--teacher", teacher, "--out", tmp_path, "--minutes", "1e-9")
    assert (code, "last.pt was trained with another tokenizer" in said) == (2, True), said
    assert (tmp_path / "tokenizer.json").read_text() == "theirs"
    assert not (tmp_path / "lessons").exists()


def test_a_folder_in_which_another_run_is_at_work_gets_no_lessons(small_corpus: Path, teacher: Path, tmp_path: Path):
    with locked_run(tmp_path):
        code, said = distil(small_corpus, "--teacher", teacher, "--out", tmp_path, "--minutes", "1e-9")
    assert (code, f"another run is at work in {tmp_path}" in said) == (3, True), said
    assert not (tmp_path / "lessons").exists()


@pytest.mark.slow
def test_a_teacher_of_another_vocabulary_writes_and_a_model_of_ours_goes_on_learning(
    small_corpus: Path, builtin_model: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--teacher", builtin_model, "--out", tmp_path / "run", "--threads", "1", "--student", teacher]
    new = ["--length", "128", "--batch-tokens", "512", "--tokens", "1024", "--json"]
    code, said = distil(small_corpus, *options, *new)
    assert (code, "--written 2000" in said) == (2, True), said
    assert distil(small_corpus, *options, *new, "--written", "3") == (0, "")
    assert json.loads(capsys.readouterr().out)["is_done"]
    assert len((tmp_path / "run/written.jsonl").read_text().splitlines()) == 3
    assert load_checkpoint(tmp_path / "run" / LAST).settings.start, "it tells what it began with"
