"""What MLflow is told of a journal: in bounded batches, from where it was left, and how the job itself runs."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.journal import Journal, Record, read_journal
from cluster.tracking_feed import POINTS_A_BATCH, RECORDS_A_BATCH, Feed
from cluster.tracking_figures import LONGEST_TAG, TAGS_A_KIND, Figures
from cluster.tracking_projection import Entry, Projection
from cluster.tracking_store import MARK_TAG, store_uri
from cluster.tracking_trouble import RunGoneError, is_gone, shown_uri, trouble_of
from strategies.errors import JournalError

MakeRun = Callable[..., Path]
EVERYTHING = 10**9


def batches(feed: Feed, last: int = EVERYTHING) -> list[Entry]:
    found = []
    while entry := feed.batch(last):
        found.append(entry)
    return found


def merged(entries: list[Entry]) -> Entry:
    whole = Entry()
    for entry in entries:
        whole.add(entry)
    return whole


def projected(records: tuple[Record, ...]) -> Entry:
    projection = Projection()
    return merged([projection.entry(record) for record in records])


# The feed


def test_a_feed_tells_the_whole_journal_once_however_it_is_cut(make_run: MakeRun) -> None:
    run = make_run()
    records = read_journal(run / "journal.jsonl").records
    whole = projected(records)
    feed, parts = Feed.of(run), []
    assert feed.first().record == records[0]  # a look that moves nothing
    for last in range(-1, len(records)):
        parts += batches(feed, last)
        assert feed.n == last + 1
    assert merged(parts).points == whole.points == merged(batches(Feed.of(run))).points
    assert {**merged(parts).tags} == {**whole.tags, MARK_TAG: parts[-1].tags[MARK_TAG]}
    assert feed.status == "FINISHED"
    assert feed.at == records[-1].at
    assert batches(feed) == []


@pytest.mark.parametrize("n_held", range(16))
def test_a_feed_goes_on_where_the_mark_says(make_run: MakeRun, n_held: int) -> None:
    run = make_run()
    feed = Feed.of(run)
    held = batches(feed, n_held - 1)
    again = Feed.of(run)
    again.skip(held[-1].tags[MARK_TAG] if held else "")
    assert again == feed
    assert merged(held + batches(again)).points == projected(read_journal(run / "journal.jsonl").records).points


@pytest.mark.parametrize("mark", ["", "x", "3:", "3:0123456789abcdef", "999999:0123456789abcdef", "-1:", "3", "²:"])
def test_a_mark_of_another_journal_is_not_taken(make_run: MakeRun, mark: str) -> None:
    feed = Feed.of(make_run())
    feed.skip(mark)
    assert feed.n == 0


def test_a_feed_holds_one_batch_however_much_waits(make_run: MakeRun) -> None:
    """Promise: MLflow down stops nothing; what it misses is buffered by the journal, not by memory."""
    run = make_run(finished=False)
    journal, records = Journal.open(run / "journal.jsonl")
    epoch = next(record.data for record in records if record.kind == "epoch_finished")
    for number in range(RECORDS_A_BATCH * 3):
        journal.append("repair", {"what": "evaluator 0.0", "reason": f"{number}", "island": 0, "epoch": 0})
    for number in range(3, 60):
        journal.append("epoch_finished", {**epoch, "epoch": number})
    journal.close()
    found = batches(Feed.of(run))
    n_of_an_epoch = max(len(batch.points) for batch in batches(Feed.of(make_run("one-20261121T100000-00aa"))))
    assert len(found) > 5
    assert max(len(batch.points) for batch in found) < POINTS_A_BATCH + n_of_an_epoch
    marks = [int(batch.tags[MARK_TAG].partition(":")[0]) for batch in found]
    assert max(new - old for old, new in itertools.pairwise(marks)) <= RECORDS_A_BATCH
    assert marks[-1] == len(read_journal(run / "journal.jsonl").records)


def test_a_half_written_line_is_no_record_yet(make_run: MakeRun) -> None:
    run = make_run()
    path = run / "journal.jsonl"
    content = path.read_bytes()
    for cut in (1, 2, 100):
        path.write_bytes(content[:-cut])
        feed = Feed.of(run)
        batches(feed)
        assert feed.n == (15 if cut == 1 else 14)  # a whole line may lack its newline
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="must hold its first record"):
        Feed.of(run).first()


# How the job runs


def record(n: int, kind: str, at_s: float = 0.0, **data: Any) -> Record:
    return Record(n, f"2026-11-21T10:{int(at_s) // 60:02d}:{at_s % 60:06.3f}+00:00", kind, data)


def told(*records: Record) -> tuple[dict[str, list[float]], dict[str, str]]:
    projection = Projection(n_islands=2)
    whole = merged([projection.entry(one) for one in records])
    values: dict[str, list[float]] = {}
    for point in whole.points:
        values.setdefault(point.key, []).append(point.value)
    steps = [(point.key, point.step) for point in whole.points]
    assert len(set(steps)) == len(steps)
    return values, whole.tags


def epoch(n: int, at_s: float, *, island: int = 0, **facts: Any) -> Record:
    counts = {"n_births": 20, "n_evaluated": 18, "n_screened_out": 0, "seconds": 3.0, **facts}
    stats = [STATS | {"generation": n}]
    return record(n, "epoch_finished", at_s, island=island, epoch=n, stats=stats, screen=[], **counts)


STATS = {"island": 0, "n_births": 20, "n_evaluated": 18, "best": None, "mean": None, "species": {}}


def test_every_self_repair_is_a_metric_and_a_tag() -> None:
    lost = {"what": "evaluator 0.1", "island": 1, "epoch": 2, "reason": "was killed", "action": "epoch run again"}
    values, tags = told(record(4, "repair", **lost), record(6, "repair", what="session", reason="gone"))
    assert values["job/repairs"] == [1, 2]
    assert tags["studbook.n_repairs"] == "2"
    assert tags["studbook.repair.4"] == "evaluator 0.1: was killed -> epoch run again"
    assert tags["studbook.repair.6"] == "session: gone"


def test_a_quarantined_strategy_is_told_with_its_reason() -> None:
    data = {"key": "0" * 32, "id": "ab12", "text": "long when RSI(14) < 30", "reason": "took longer than 60 s"}
    values, tags = told(record(3, "quarantined", **data, island=0, epoch=1))
    assert values["job/quarantined"] == [1]
    assert tags["studbook.quarantined.ab12"] == "took longer than 60 s: long when RSI(14) < 30"
    assert tags["studbook.n_quarantined"] == "1"


def test_workers_and_stalls_are_metrics() -> None:
    slow = {"island": 1, "epoch": 4, "waited_s": 30.0, "typical_s": 2.0}
    values, tags = told(record(1, "workers", present=1, wanted=4, reason="start"), record(2, "stall", **slow))
    assert values == {"job/workers": [1], "job/workers_wanted": [4], "job/stalls": [1], "island_1/stalled_s": [30]}
    assert tags["studbook.stall.2"] == "island 1, epoch 4: 30.0 s, usually 2.0 s"


def test_endless_repairs_make_no_endless_tags() -> None:
    figures = Figures()
    tags: dict[str, str] = {}
    for n in range(TAGS_A_KIND + 50):
        tags |= figures.repair({"what": "cell 0", "reason": "x" * 9999}, n=n, at_ms=n)[1]
    assert len(tags) == TAGS_A_KIND + 1
    assert tags["studbook.n_repairs"] == str(TAGS_A_KIND + 50)
    assert max(map(len, tags.values())) == LONGEST_TAG


def test_the_rate_is_evaluations_over_the_time_between_epochs() -> None:
    values, _ = told(*(epoch(n, at_s=2.0 * n, waited_s=1.0) for n in range(5)))
    assert values["job/evaluated_per_s"] == pytest.approx([9.0] * 4)  # none from the first alone
    assert values["job/births_per_s"] == pytest.approx([10.0] * 4)
    assert values["job/waiting_share"] == pytest.approx([0.25] * 5)
    assert values["island_0/waited_s"] == [1.0] * 5


def test_the_rate_forgets_old_rounds_and_the_time_between_sessions() -> None:
    slow = [epoch(n, at_s=10.0 * n) for n in range(5)]
    quick = [epoch(n, at_s=40.0 + (n - 4)) for n in range(5, 12)]
    values, _ = told(*slow, *quick)
    assert values["job/evaluated_per_s"][-1] == pytest.approx(18.0)
    apart = (record(5, "resumed", 600.0), epoch(6, at_s=601.0), epoch(7, at_s=602.0))
    values, _ = told(*slow, *apart)
    assert values["job/evaluated_per_s"] == pytest.approx([1.8] * 4 + [18.0])


def test_an_old_journals_epochs_have_no_waiting() -> None:
    values, _ = told(epoch(1, at_s=0.0))
    assert "island_0/waited_s" not in values
    assert values["island_0/seconds"] == [3.0]


# Trouble, and what must not be told


class AnswerError(Exception):
    """As MLflow's: it knows its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"API request failed with error code {status} != 200")
        self.status = status

    def get_http_status_code(self) -> int:
        return self.status


def test_a_refused_login_is_told_as_such() -> None:
    assert "it wants a login (401): set MLFLOW_TRACKING_USERNAME" in trouble_of(AnswerError(401))
    assert "does not let this user in (403)" in trouble_of(AnswerError(403))
    assert "error code 500" in trouble_of(AnswerError(500))


def test_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "postgresql://ann:s3cret@db:5432/mlflow"
    assert shown_uri(uri) == "postgresql://ann:***@db:5432/mlflow"
    assert shown_uri("http://[broken") == "http://[broken"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    told = trouble_of(OSError(f"can't open {uri} with t0ken"), uri)
    assert "s3cret" not in told
    assert "t0ken" not in told


def test_a_run_of_another_database_is_gone() -> None:
    assert is_gone(RunGoneError("x"))
    assert is_gone(OSError("The run 1 must be in the 'active' state. Current state is deleted."))
    assert not is_gone(OSError("connection refused"))


def test_a_uri_that_the_journal_keeps_without_password_is_found_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = "http://ann:s3cret@host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", whole)
    assert store_uri(shown_uri(whole), tmp_path) == whole
    assert store_uri("http://ann:***@other", tmp_path) == "http://ann:***@other"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "set MLFLOW_TRACKING_URI" in trouble_of(OSError("no"), "http://ann:***@host:5000")


def test_no_password_reaches_mlflows_parameters(make_run: MakeRun) -> None:
    run = make_run(extra={"tracking": {"uri": "http://ann:s3cret@host:5000"}})
    params = projected(read_journal(run / "journal.jsonl").records).params
    assert params["tracking.uri"] == "http://ann:***@host:5000"
