"""What the ledger counts, and that it is never in the way."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.ledger.conftest import Bench
from dsassist.ledger.database import erase, ledger_dir, opened
from dsassist.ledger.entries import RequestCost, ShownOffer
from dsassist.ledger.kept import Kept
from dsassist.ledger.ledger import Ledger
from dsassist.ledger.reading import Selection, request_sums

MakeOffer = Callable[..., ShownOffer]


def test_an_offer_is_stored_with_its_figures_and_without_a_path(bench: Bench, an_offer: MakeOffer) -> None:
    offer = bench.ledger.shown(an_offer(source="prepared"))
    [row] = bench.rows(
        "id, at, language, model, characters, lines, probability, latency_ms, source, outcome, accepted_characters"
    )
    assert row == (offer, bench.now, "python", "m", 20, 1, 0.5, 120.0, "prepared", "shown", 0)
    [(repository,)] = bench.rows("repository")
    assert len(repository) == 16
    assert not any(b"secret-project" in file.read_bytes() for file in ledger_dir().iterdir())


@pytest.mark.parametrize(
    ("happens", "outcome", "characters"),
    [
        ([], "shown", 0),
        ([("dismissed",)], "dismissed", 0),
        ([("typed_through",)], "typed through", 0),
        ([("accepted",)], "accepted", 20),
        ([("accepted", 12)], "accepted", 12),
        ([("accepted_partly", 5)], "partly", 5),
        ([("accepted_partly", 9), ("accepted_partly", 5)], "partly", 9),
        ([("accepted_partly", 500)], "partly", 20),
        ([("accepted_partly", 5), ("dismissed",)], "partly", 5),
        ([("accepted_partly", 5), ("accepted",)], "accepted", 20),
        ([("accepted",), ("dismissed",), ("accepted_partly", 3), ("typed_through",)], "accepted", 20),
        ([("dismissed",), ("accepted",)], "accepted", 20),
        ([("typed_through",), ("dismissed",)], "typed through", 0),
    ],
)
def test_the_weightiest_outcome_stays(
    bench: Bench, an_offer: MakeOffer, happens: list[tuple[str, int]], outcome: str, characters: int
) -> None:
    offer = bench.ledger.shown(an_offer())
    for name, *values in happens:
        getattr(bench.ledger, name)(offer, *values)
    assert bench.rows("outcome, accepted_characters") == [(outcome, characters)]


def test_what_the_client_did_not_show_is_not_dismissed_but_may_be_accepted(bench: Bench, an_offer: MakeOffer) -> None:
    never, later, taken = (bench.ledger.shown(an_offer(seen=False, characters=n)) for n in (1, 2, 3))
    bench.ledger.dismissed(never)
    bench.ledger.seen(later)
    bench.ledger.dismissed(later)
    bench.ledger.accepted(taken)
    assert sorted(bench.rows("characters, outcome")) == [(1, "offered"), (2, "dismissed"), (3, "accepted")]


def test_how_long_it_stood_is_measured_to_the_first_thing_that_became_of_it(bench: Bench, an_offer: MakeOffer) -> None:
    offer = bench.ledger.shown(an_offer())
    bench.now += 0.5
    bench.ledger.accepted_partly(offer, 3)
    bench.now += 2
    bench.ledger.accepted(offer)
    [(stood_ms,)] = bench.rows("stood_ms")
    assert stood_ms == pytest.approx(500, abs=1)


def test_kept_shares_stand_beside_their_offer(bench: Bench, an_offer: MakeOffer) -> None:
    offer = bench.ledger.shown(an_offer())
    bench.ledger.accepted(offer)
    bench.ledger.kept(Kept(offer, "30s", 1.0))
    bench.ledger.kept(Kept(offer, "5min", 0.75))
    bench.ledger.kept(Kept(12345, "5min", 0.1))  # an id that nobody gave out
    assert bench.rows("kept_30s, kept_5min, kept_commit") == [(1.0, 0.75, None)]


def test_requests_are_counted_with_the_reason_for_nothing(bench: Bench) -> None:
    bench.ledger.request(RequestCost("go", "m", "/r", 80.0, 200, 30, 16, 16, "below the threshold"))
    bench.ledger.request(RequestCost("go", "m", "/r", 90.0, 200, 10, 8))
    columns = "language, prompt_tokens, evaluated_tokens, decoded_tokens, wasted_tokens, reason"
    assert bench.rows(columns, "requests") == [
        ("go", 200, 30, 16, 16, "below the threshold"),
        ("go", 200, 10, 8, 0, ""),
    ]


def test_what_of_a_request_is_seen_later_changes_its_row_alone(bench: Bench) -> None:
    first = bench.ledger.request(RequestCost("go", "m", "/r", 80.0, 200, 30, 16, 16, "superseded"))
    bench.ledger.request(RequestCost("go", "m", "/r", 90.0, 200, 10, 8, 8))
    bench.ledger.request_seen(first, 4, "")
    assert bench.rows("wasted_tokens, reason", "requests") == [(4, ""), (8, "")]


def test_requests_ahead_count_with_their_tokens_and_are_no_completions(bench: Bench) -> None:
    bench.ledger.request(RequestCost("go", "m", "/r", 80.0, 200, 30, 16, 4))
    bench.ledger.request(RequestCost("go", "m", "/r", 900.0, 900, 700, purpose="ahead"))
    bench.ledger.request(RequestCost("go", "m", "/r", 90.0, 200, 0, 8, 8, purpose="further"))
    assert bench.ledger.flush()
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        [found] = request_sums(connection, Selection())
    assert (found.requests, found.evaluated_tokens, found.ahead_tokens) == (1, 730, 700)
    assert (found.decoded_tokens, found.wasted_tokens) == (24, 12)


def test_ids_are_exact_in_json_and_differ(bench: Bench, an_offer: MakeOffer) -> None:
    ids = [bench.ledger.shown(an_offer()) for _ in range(200)]
    assert len(set(ids)) == 200
    assert max(ids) < 2**53


def test_old_rows_go_with_the_first_entry_of_a_session(bench: Bench, an_offer: MakeOffer) -> None:
    bench.ledger.shown(an_offer())
    bench.ledger.request(RequestCost("go", "m", "/r", 80.0))
    assert len(bench.rows()) == len(bench.rows(table="requests")) == 1
    later = Bench(bench.now + 100 * 86_400)
    later.ledger.shown(an_offer())
    assert (len(later.rows()), len(later.rows(table="requests"))) == (2, 0)
    later.ledger.close()
    much_later = Bench(bench.now + 800 * 86_400)
    much_later.ledger.shown(an_offer())
    assert len(much_later.rows()) == 2
    much_later.ledger.close()


def test_a_damaged_file_costs_nothing_but_its_rows_and_is_told_once(bench: Bench, an_offer: MakeOffer) -> None:
    bench.ledger.shown(an_offer())
    assert bench.ledger.flush()
    (ledger_dir() / "ledger.sqlite3").write_bytes(b"damaged" * 1000)
    bench.ledger.shown(an_offer(language="go"))
    assert bench.rows("language") == [("go",)]
    bench.ledger.shown(an_offer(language="rust"))
    assert len(bench.rows()) == 2
    [complaint] = bench.complaints
    assert "it lies aside as damaged-" in complaint


def test_a_folder_that_cannot_be_written_is_told_once(bench: Bench, an_offer: MakeOffer, isolated: Path) -> None:
    (isolated / "d").write_text("a file in the place of the folder")
    for _ in range(3):
        bench.ledger.accepted(bench.ledger.shown(an_offer()))
        assert bench.ledger.flush()
    [complaint] = bench.complaints
    assert complaint.startswith("completions are not counted: cannot write to ")
    (isolated / "d").unlink()
    bench.ledger.shown(an_offer())
    assert len(bench.rows()) == 1


FULL_DISK = """
import resource, signal
from dsassist.ledger.entries import ShownOffer
from dsassist.ledger.ledger import Ledger
from dsassist.ledger.reading import Selection, request_sums
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
ledger = Ledger(lambda sentence: print(sentence, flush=True))
for _ in range(3):
    for _ in range(500):
        ledger.shown(ShownOffer("python", "m", "/r", 10, 1, 0.5, 100.0))
    assert ledger.flush(60)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.shown(ShownOffer("go", "m", "/r", 10, 1, 0.5, 100.0))
assert ledger.close(60)
"""


def test_a_full_disk_is_told_once_and_counting_goes_on_when_there_is_room(bench: Bench) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{FULL_DISK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    [complaint] = done.stdout.splitlines()
    assert complaint.startswith("completions are not counted: cannot use ")
    assert bench.rows("language") == [("go",)]


def test_counting_goes_on_after_all_was_erased_under_it(bench: Bench, an_offer: MakeOffer) -> None:
    offer = bench.ledger.shown(an_offer())
    [(before,)] = bench.rows("repository")
    assert erase(ledger_dir())
    bench.ledger.accepted(offer)
    bench.ledger.shown(an_offer(language="go"))
    [(language, after)] = bench.rows("language, repository")
    assert language == "go"
    assert after != before
    assert bench.complaints == []


def test_close_writes_what_is_left_and_ends_the_thread(an_offer: MakeOffer) -> None:
    before = set(threading.enumerate())  # another ledger's may still be ending
    bench = Bench()
    for _ in range(50):
        bench.ledger.shown(an_offer())
    [writing] = [thread for thread in threading.enumerate() if thread.name == "ledger" and thread not in before]
    assert bench.ledger.close()
    assert not writing.is_alive()
    bench.ledger.shown(an_offer())  # too late, and no error
    assert len(bench.rows()) == 50


def test_a_ledger_that_nothing_is_told_touches_no_disk() -> None:
    ledger = Ledger(lambda sentence: None)
    assert ledger.close()
    assert not ledger_dir().exists()


def test_the_threshold_is_learnt_from_the_rows_of_its_model(bench: Bench, an_offer: MakeOffer) -> None:
    for number in range(300):
        probability = number / 300
        offer = bench.ledger.shown(an_offer(probability=probability))
        bench.now += 1.0
        (bench.ledger.accepted if probability >= 0.6 else bench.ledger.dismissed)(offer)
    assert bench.ledger.tuned("m", "python", 0.3) == 0.3  # not read yet
    assert bench.ledger.flush()
    assert bench.ledger.tuned("m", "python", 0.3) == pytest.approx(0.6, abs=0.11)
    bench.ledger.tuned("m", "go", 0.3)
    bench.ledger.tuned("another", "python", 0.3)
    assert bench.ledger.flush()
    assert bench.ledger.tuned("m", "go", 0.3) == pytest.approx(0.6, abs=0.11)  # too few of its own: those of the model
    assert bench.ledger.tuned("another", "python", 0.3) == 0.3


def test_what_was_gone_before_it_could_be_read_teaches_nothing(bench: Bench, an_offer: MakeOffer) -> None:
    for number in range(300):
        offer = bench.ledger.shown(an_offer(probability=number / 300))
        bench.now += 0.1
        bench.ledger.dismissed(offer)
    bench.ledger.tuned("m", "python", 0.3)
    assert bench.ledger.flush()
    assert bench.ledger.tuned("m", "python", 0.3) == 0.3
