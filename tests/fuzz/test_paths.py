"""No name from outside leads out of the folder it belongs in: configs, journals, stores, ledgers, exports."""

import json
import re
import shutil

import pytest

from cluster.candidate_record import write_elite
from cluster.journal import FILE_NAME, Journal
from cluster.record_forms import check_records
from cluster.run_folder import epoch_file, read_entry
from cluster.settings import config_from
from cluster.tracking_store import creation_lock
from cluster.trial_file import check_name
from cluster.tuning_values import ValuesFile
from cluster.view import read_job
from fitness.files import atomic_write_bytes
from fitness.shards import shard_path
from strategies.errors import ConfigError, DataError, JournalError, UsageError
from tests.fuzz.test_job_file import VALUES
from tests.fuzz.test_journals import GOLDEN, chained

OUTSIDE = (
    *("../x", "/etc/passwd", "a/b", "..", ".", "a\\b", "C:\\x", "a\0b", "", ".hidden", "a\n", "~root", "a/../../b"),
    *("\u202ex", "a" * 300, "-\u2044x", "x/", "//x", "$HOME", "a b", "é"),
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_job_name_leads_out_of_the_runs(name):
    with pytest.raises(ConfigError, match="`name`"):
        config_from({**VALUES, "name": name}, where="job.yaml")


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_symbol_and_no_timeframe_leads_out_of_the_store(name, tmp_path):
    with pytest.raises(DataError, match="a symbol must be"):
        shard_path(tmp_path, name, "1d")
    with pytest.raises(DataError, match="timeframe"):
        shard_path(tmp_path, "X", name)
    for shard in ({"symbol": name}, {"symbol": "X", "timeframe": name}):
        with pytest.raises(ConfigError, match=r"`data\.shards\.0\."):
            config_from({**VALUES, "data": {**VALUES["data"], "shards": [shard]}}, where="job.yaml")


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_trial_name_leads_out_of_the_ledger(name):
    with pytest.raises(UsageError, match="must be letters, digits"):
        check_name(name)


@pytest.mark.parametrize(
    "name", [*OUTSIDE, "epochs/../x.births", "epochs/i000-e0000.births\n", "epochs/i000-e0000.exe"]
)
def test_no_journalled_file_leads_out_of_the_run(name, tmp_path):
    with pytest.raises(JournalError, match="must lie in `epochs/` of its run"):
        read_entry(tmp_path, {"file": name, "sha256": "0" * 64})


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_id_of_a_candidate_is_a_path(name, tmp_path):
    """Reports and exports name files by it."""
    bodies = []
    for line in GOLDEN.read_text().splitlines():
        body = {key: value for key, value in json.loads(line).items() if key not in ("prev", "hash")}
        if body["kind"] == "candidate":
            body["data"]["record"]["id"] = name
        bodies.append(body)
    (tmp_path / FILE_NAME).write_bytes(chained(bodies))
    with pytest.raises(JournalError, match=r"`record\.id` of a record 'candidate' must be 16 hex digits"):
        read_job(tmp_path)


def test_the_ids_that_are_written_are_such_ids(tmp_path):
    from cluster.journal import read_journal

    check_records(read_journal(GOLDEN).records, GOLDEN)
    write_elite(tmp_path, {"id": "0" * 16, "strategy": {}})
    assert [path.name for path in (tmp_path / "elites").iterdir()] == ["0" * 16 + ".json"]


def test_a_link_in_the_place_of_a_file_is_replaced_and_never_written_through(tmp_path):
    precious, link = tmp_path / "precious", tmp_path / "run" / "births.parquet"
    precious.write_text("mine")
    link.parent.mkdir()
    link.symlink_to(precious)
    atomic_write_bytes(link, b"new")
    assert (precious.read_text(), link.read_bytes(), link.is_symlink()) == ("mine", b"new", False)


def test_a_link_in_the_place_of_the_lock_of_a_store_is_replaced(tmp_path):
    precious, lock = tmp_path / "precious", tmp_path / "mlflow.lock"
    precious.write_text("mine")
    lock.symlink_to(precious)
    with creation_lock(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        pass
    assert (precious.read_text(), lock.is_symlink()) == ("mine", False)


def test_a_file_that_is_gone_on_with_is_never_reached_through_a_link(tmp_path):
    """It can't be replaced, for what it holds is wanted."""
    journal, link = tmp_path / "journal.jsonl", tmp_path / "run" / FILE_NAME
    shutil.copy(GOLDEN, journal)
    link.parent.mkdir()
    link.symlink_to(journal)
    (tmp_path / "values").symlink_to(tmp_path / "precious")
    for begin in (lambda: Journal.open(link), lambda: ValuesFile.open(tmp_path / "values")):
        with pytest.raises(JournalError, match="must be no link, but was one"):
            begin()
    assert journal.read_bytes() == GOLDEN.read_bytes()
    assert not (tmp_path / "precious").exists()


def test_a_link_in_the_place_of_a_journalled_file_shows_nothing_that_was_not_journalled(tmp_path):
    secret, name = tmp_path / "secret", epoch_file(0, 0, "state")
    secret.write_text("password")
    (tmp_path / "run" / "epochs").mkdir(parents=True)
    (tmp_path / "run" / name).symlink_to(secret)
    with pytest.raises(JournalError, match="must have SHA-256") as caught:
        read_entry(tmp_path / "run", {"file": name, "sha256": "0" * 64})
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("place", ["/home/", "/root", "/tmp/", r"(?<![\w.<])/\w"], ids=["home", "root", "tmp", "any"])
def test_golden_files_name_no_place_of_the_machine_that_wrote_them(place):
    journals = list(GOLDEN.parents[1].rglob("*.jsonl"))
    assert journals
    assert not [path for path in journals if re.search(place, path.read_text())]
