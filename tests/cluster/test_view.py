"""What is read back from journals: one job, many jobs, by id, prefix or age; damage is told, not hidden."""

import shutil
from dataclasses import replace

import pytest

from cluster.journal import FILE_NAME, JOURNAL_FORMAT, Journal, Record, read_journal
from cluster.tables import tried_sentence
from cluster.view import (
    READABLE_FORMATS,
    active_seconds,
    damaged_jobs,
    find_job,
    find_strategy,
    list_jobs,
    read_job,
    view_of,
)
from strategies.errors import JournalError, UsageError


def test_a_finished_job(make_run):
    run = make_run()
    view = read_job(run)
    assert (view.id, view.name, view.status, view.run_dir) == (run.name, "hand", "finished", run)
    assert len(view.epochs) == 6
    assert view.n_births == sum(epoch["n_births"] for epoch in view.epochs)
    assert view.n_trials == 252
    assert len(view.candidates) == 4
    assert [record["passed"] for record in view.elites] == [True]
    assert view.verdict == "1 of 4 candidates passed every gate."
    assert view.repairs[0]["what"] == "island 1"
    assert view.chosen["trial_variance"] == 4e-4
    assert len(view.lockbox_reads) == 1


def test_what_was_seen_on_the_screen_alone_is_a_trial_and_counted_apart(make_run):
    view = read_job(make_run(screen=True, finished=False))
    assert view.n_screened_out == sum(epoch["n_screened_out"] for epoch in view.epochs) == 72
    assert view.n_trials == view.n_evaluated == sum(epoch["n_evaluated"] for epoch in view.epochs)
    assert "180 of them different and evaluated (72 on the screen alone)" in tried_sentence(view)
    assert "screen" not in tried_sentence(read_job(make_run("plain-20261121T100000-00bb")))


def test_a_job_that_was_cut_short(make_run):
    view = read_job(make_run(finished=False))
    assert (view.status, view.verdict, view.candidates, view.chosen) == ("interrupted", "", (), None)
    assert view.n_trials == view.n_evaluated


def test_a_job_under_way(make_run):
    run = make_run(finished=False)
    journal, _ = Journal.open(run / FILE_NAME)
    assert read_job(run).status == "running"
    journal.close()
    assert read_job(run).status == "interrupted"


def test_time_under_way_is_summed_over_sessions():
    def at(second):
        return f"2026-11-21T10:00:{second:02d}.000+00:00"

    kinds = [("job_created", 0), ("epoch_finished", 4), ("resumed", 30), ("epoch_finished", 31), ("job_finished", 33)]
    records = [Record(n, at(second), kind, {}) for n, (kind, second) in enumerate(kinds)]
    assert active_seconds(records) == 7.0


def test_jobs_are_listed_by_age_and_damaged_ones_apart(make_run, tmp_path):
    first, second, third = (make_run(f"hand-2026112{day}T100000-00a{day}") for day in (1, 2, 3))
    journal = second / FILE_NAME
    journal.write_bytes(journal.read_bytes().replace(b"epoch_finished", b"epoch_vanished", 1))
    (tmp_path / "runs" / "notes").mkdir()
    assert [job.id for job in list_jobs(tmp_path / "runs")] == [first.name, third.name]
    ((folder, reason),) = damaged_jobs(tmp_path / "runs")
    assert folder == second
    assert "its hash does not fit its content" in reason
    assert list_jobs(tmp_path / "nowhere") == []


def test_a_job_is_found_by_id_prefix_path_and_age(make_run, tmp_path):
    runs = tmp_path / "runs"
    with pytest.raises(UsageError, match="must have been run before it can be shown, but there is none in"):
        find_job(runs, "latest")
    first = make_run("hand-20261121T100000-00aa")
    make_run("hand-20261122T100000-00bb")
    assert find_job(runs, first.name).id == first.name
    assert find_job(runs, "hand-20261121").id == first.name
    assert find_job(runs, str(first)).id == first.name
    assert find_job(runs, "latest").id in (first.name, "hand-20261122T100000-00bb")
    with pytest.raises(UsageError, match="JOB must name one job, but was 'hand-2026'"):
        find_job(runs, "hand-2026")
    with pytest.raises(UsageError, match="JOB must be the id of a job, or its beginning, or `latest`, but was 'x'"):
        find_job(runs, "x")


def test_a_strategy_is_found_by_id_and_prefix(make_run, tmp_path):
    view = read_job(make_run())
    record = view.candidates[1]
    assert find_strategy(tmp_path / "runs", record["id"]) == (view, record)
    assert find_strategy(tmp_path / "runs", record["id"][:10])[1] == record
    with pytest.raises(UsageError, match="STRATEGY must be the id of a candidate or elite"):
        find_strategy(tmp_path / "runs", "zz")
    with pytest.raises(UsageError, match="STRATEGY must be the id of a candidate or elite"):
        find_strategy(tmp_path / "runs", "")


def of_format(first, number):
    return Record(0, first.at, "job_created", {**first.data, "format": number})


def test_journals_of_the_formats_before_open_as_they_are(make_run):
    run = make_run()
    first, *others = read_journal(run / FILE_NAME).records
    views = [view_of(run, [of_format(first, number), *others]) for number in READABLE_FORMATS]
    assert all(replace(view, created=views[0].created) == views[0] for view in views)
    assert JOURNAL_FORMAT in READABLE_FORMATS


def test_journals_of_another_kind_or_format_are_refused(make_run, tmp_path):
    run = make_run()
    records = read_journal(run / FILE_NAME).records
    with pytest.raises(JournalError, match="must begin with the creation of its job, but began with 'epoch_finished'"):
        view_of(run, records[1:])
    for unknown in (min(READABLE_FORMATS) - 1, max(READABLE_FORMATS) + 1, "4", None):
        with pytest.raises(JournalError, match=f"must have format 4 or 5, but was {unknown} "):
            view_of(run, [of_format(records[0], unknown)])
    shutil.rmtree(run)
    with pytest.raises(JournalError, match="must hold a journal, but there is none at"):
        read_job(run)
