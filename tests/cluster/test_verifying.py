"""What `studbook verify` promises: what a job says is made again to the last bit, and what was changed is named."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cluster.cli import app
from cluster.driver import versions
from cluster.market import open_market
from cluster.portfolio_making import make_portfolio, write_portfolio
from cluster.proof import OTHER_VERSIONS, Figure, Proof, compared, leaves, same
from cluster.record_fields import CHOSEN, FIELDS, PORTFOLIO
from cluster.replay import replay
from cluster.run_folder import CANDIDATES, ELITES, PORTFOLIO_FILE
from cluster.verifying import proof_of, verify
from fitness.shards import load_shard, shard_path, write_shard
from strategies.errors import UsageError


@pytest.fixture(scope="module")
def market(elite_job):
    return open_market(elite_job.config)


@pytest.fixture(scope="module")
def made(elite_job, market):
    return replay(elite_job, market)


@pytest.fixture
def copied(elite_job, tmp_path):
    """The job with a run folder that may be written to."""
    run_dir = tmp_path / "runs" / elite_job.id
    shutil.copytree(elite_job.run_dir, run_dir)
    return replace(elite_job, run_dir=run_dir)


def contents(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_all_that_a_job_says_is_made_again_to_the_last_bit_and_nothing_is_written(copied, market):
    write_portfolio(copied.run_dir, make_portfolio(copied, market))
    before = contents(copied.run_dir.parent)
    found = verify(copied)
    assert found.status == "reproduced"
    assert (found.tolerance, found.versions) == (0.0, {})
    assert contents(copied.run_dir.parent) == before
    assert [one.what for one in found.proofs] == ["elite"] * len(copied.elites) + ["candidate"] * (
        len(copied.candidates) - len(copied.elites)
    ) + ["job", "portfolio"]
    for proof, record in zip(found.proofs, copied.candidates, strict=False):
        assert proof.subject == record["id"]
        assert set(dict(leaves(record))) <= {one.name for one in proof.figures}
        assert {one.status for one in proof.figures} == {"reproduced"}
    job = {one.name for one in found.proofs[-2].figures}
    assert {"verdict", "regimes.json", "births.parquet.made", "births.parquet.file"} <= job
    assert set(dict(leaves(copied.chosen))) <= job
    assert json.loads(json.dumps(found.to_dict()))["status"] == "reproduced"


def test_every_field_on_record_is_made_again_or_this_fails(elite_job, market):
    assert {key for record in elite_job.candidates for key in record} == set(FIELDS)
    assert set(elite_job.chosen) == set(CHOSEN)
    assert set(make_portfolio(elite_job, market)) == set(PORTFOLIO)
    record = {**elite_job.elites[0], "luck": 7.0}
    (wrong,) = [one for one in compared(record, record, fields=FIELDS, tolerance=0.0) if one.status == "stale"]
    assert wrong.sentence() == "luck: nobody verifies this field"


def changed(value, place, rng):
    """`value` with another leaf at `place`, by its path of keys."""
    if not place:
        if isinstance(value, bool) or value is None:
            return "other"
        return (
            value + rng.choice([-1e-12, 1e-9, 1.0]) * max(abs(value), 1.0) if isinstance(value, float) else f"{value}x"
        )
    copy = value.copy()
    copy[place[0]] = changed(value[place[0]], place[1:], rng)
    return copy


def paths(value, before=()):
    if isinstance(value, dict | list) and value:
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(one, (*before, key))
    else:
        yield before


def test_any_changed_leaf_of_a_record_is_named_and_no_other(elite_job, made):
    rng = np.random.default_rng(5)
    record = elite_job.elites[0]
    every = [one for one in paths(record) if one != ("id",) and one[-1] != "name"]
    for number in rng.choice(len(every), 60, replace=False):
        place = every[number]
        stale = proof_of(elite_job, {**changed(record, place, rng), "id": record["id"]}, made, 0.0).stale
        (wrong,) = [one for one in stale if not one.name.startswith(("candidates/", "elites/"))]
        assert wrong.section == place[0]
        old, new = wrong.recorded, wrong.found
        numbers = isinstance(old, float) and isinstance(new, float)
        assert wrong.difference == (abs(new - old) if numbers else None)
        assert wrong.name in wrong.sentence()


def test_a_field_that_is_lost_and_one_that_is_made_up_are_named(elite_job, made):
    record = elite_job.elites[0]
    lost = {key: value for key, value in record.items() if key != "min_trl"}
    assert [one.name for one in compared(lost, record, fields=FIELDS, tolerance=0.0) if one.status == "stale"] == [
        "min_trl"
    ]
    odd = {**record, "in_sample": {**record["in_sample"], "alpha": 3.0}}
    found = [one for one in compared(odd, record, fields=FIELDS, tolerance=0.0) if one.status == "stale"]
    assert [one.sentence() for one in found] == ["in_sample.alpha: is on record as 3, but is not made here any more"]


@pytest.mark.parametrize(("column", "suffix"), [("equity", ".equity.parquet"), ("exit_price", ".trades.parquet")])
def test_one_changed_number_of_a_table_is_found_by_name(copied, made, column, suffix):
    record = copied.elites[0]
    path = copied.run_dir / CANDIDATES / f"{record['id']}{suffix}"
    frame = pl.read_parquet(path)
    frame[3, column] = np.nextafter(frame[3, column], np.inf)
    frame.write_parquet(path)
    (wrong,) = proof_of(copied, record, made, 0.0).stale
    assert wrong.name == f"{CANDIDATES}/{record['id']}{suffix}"
    assert f"{column} of row 3 is " in wrong.sentence()
    frame.drop(column).write_parquet(path)
    assert "columns are" in proof_of(copied, record, made, 0.0).stale[0].sentence()
    frame.head(5).write_parquet(path)
    assert "has 5 rows, should have" in proof_of(copied, record, made, 0.0).stale[0].sentence()
    path.write_bytes(b"PAR1 no table")
    assert "can't be read" in proof_of(copied, record, made, 0.0).stale[0].sentence()
    path.unlink()
    assert proof_of(copied, record, made, 0.0).stale[0].reason.endswith("is missing")


def test_the_same_table_in_other_bytes_is_the_same_table(copied, made):
    record = copied.elites[0]
    path = copied.run_dir / CANDIDATES / f"{record['id']}.equity.parquet"
    pl.read_parquet(path).write_parquet(path, compression="snappy")
    assert proof_of(copied, record, made, 0.0).status == "reproduced"


@pytest.mark.parametrize("folder", [CANDIDATES, ELITES])
def test_a_changed_json_file_is_found_by_name(copied, made, folder):
    record = copied.elites[0]
    path = copied.run_dir / folder / f"{record['id']}.json"
    path.write_text(path.read_text().replace('"direction": "', '"direction": "un'))
    (wrong,) = proof_of(copied, record, made, 0.0).stale
    assert wrong.name == f"{folder}/{record['id']}.json"
    assert "direction is " in wrong.sentence()
    for text, why in (("{", "can't be read"), ("[1]", "must hold a mapping")):
        path.write_text(text)
        assert why in proof_of(copied, record, made, 0.0).stale[0].sentence()


def test_other_bars_are_named_with_both_hashes_and_no_figure_is_compared(elite_job, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(elite_job.config.data.root, root)
    path = shard_path(root, "IXIC", "1d")
    frame = pl.read_parquet(path)
    end = elite_job.config.data.end
    old = load_shard(root, "IXIC", "1d", None, end).content_hash
    frame[40, "close"] = (frame[40, "high"] + frame[40, "low"]) / 2.0
    bars = frame.select("timestamp", "open", "high", "low", "close", "volume")
    path.unlink()
    write_shard(bars, root, "IXIC", "1d")
    new = load_shard(root, "IXIC", "1d", None, end).content_hash
    found = verify(elite_job, data_root=str(root))
    assert found.status == "stale"
    assert [one.status for one in found.bars] == ["reproduced", "stale"]
    reason = f"bars of IXIC 1d are {new[:12]}, were {old[:12]}"
    assert found.bars[1].sentence() == f"bars.IXIC 1d: {reason}"
    assert {one.reason for proof in found.proofs for one in proof.figures} == {f"not compared: {reason}"}
    path.unlink()
    (gone,) = [one for one in verify(elite_job, data_root=str(root)).bars if one.status == "stale"]
    assert "bars of IXIC 1d can't be read, were" in gone.reason
    assert not path.exists()  # nothing is written where it was


def test_other_versions_are_said_and_what_they_make_the_same_is_reproduced(elite_job):
    then = {**elite_job.created["versions"], "numpy": "1.0", "talc": "3"}
    created = {**elite_job.created, "versions": then, "gene_table": "feedfacefeedface"}
    found = verify(replace(elite_job, created=created))
    assert found.status == "reproduced"
    assert found.tolerance == OTHER_VERSIONS
    assert found.versions["numpy"] == ("1.0", versions()["numpy"])
    assert found.versions["talc"] == ("3", None)
    assert found.versions["gene table"][0] == "feedfacefeedface"
    taken = [one for proof in found.proofs for one in proof.figures if one.status == "taken"]
    assert {one.section for one in taken} == {"birth", *CHOSEN}  # births can't be read by another gene table
    assert all("feedfacefeedface" in one.sentence() for one in taken)


def test_other_costs_and_another_birth_are_stale_where_they_matter(elite_job, market):
    costs = replace(market.costs, fee=market.costs.fee + 1e-4)
    records = list(elite_job.candidates)
    first, second = records[0]["id"], records[1]["id"]
    records[0] = {**records[0], "birth_id": records[1]["birth_id"]}
    forged = replace(elite_job, candidates=tuple(records))
    made = replay(forged, replace(market, costs=costs))
    sections = {one.section for one in proof_of(elite_job, elite_job.candidates[1], made, 0.0).stale}
    assert {"in_sample", "validation", "lockbox", "per_shard", "objectives", "attribution"} <= sections
    assert not sections & {"id", "text", "strategy", "species", "birth_id", "birth"}
    wrong = {one.name: one for one in proof_of(forged, records[0], made, 0.0).stale}
    assert wrong["birth"].sentence() == f"birth: the birth is of {second}, not of {first}"


def test_births_that_are_not_what_was_journalled_are_stale(copied, market):
    epoch = copied.run_dir / copied.epochs[0]["births"]["file"]
    epoch.write_bytes(epoch.read_bytes()[:-1])
    found = verify(copied)
    assert found.status == "stale"
    assert {one.name for one in found.proofs[0].stale} == {"birth"}
    (job,) = [one for one in found.proofs if one.what == "job"]
    assert {one.section for one in job.stale} == set(CHOSEN)
    assert all("A journalled file must have SHA-256" in one.sentence() for one in job.stale)


def test_a_job_that_has_judged_nobody_has_nothing_to_verify(elite_job, market):
    for gone in (replace(elite_job, candidates=elite_job.candidates[1:]), replace(elite_job, chosen=None)):
        with pytest.raises(UsageError, match="must have judged its candidates"):
            replay(gone, market)


def test_a_portfolio_that_was_changed_is_stale(copied, market):
    from cluster.verifying import of_portfolio

    found = make_portfolio(copied, market)
    for key, value, name in (
        ("members", [{**found["members"][0], "weight": 0.9}, *found["members"][1:]], "members[0].weight"),
        ("settings", {"method": "luck"}, PORTFOLIO_FILE),
        ("note", "all gates passed", "note"),
    ):
        write_portfolio(copied.run_dir, {**found, key: value})
        (proof,) = of_portfolio(copied, 0.0)
        assert [one.name for one in proof.stale] == [name]


def test_exit_codes_say_reproduced_stale_and_wrong_usage(copied, capsys):
    record = copied.elites[0]
    words = ["verify", record["id"][:10], "--root", str(copied.run_dir.parent), "--json"]
    path = copied.run_dir / CANDIDATES / f"{record['id']}.json"
    path.write_text(path.read_text().replace('"passed": true', '"passed": 1'))
    assert app(words, standalone_mode=False) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["subject"] for one in found["proofs"]] == [record["id"]]
    assert found["status"] == "stale"
    assert app([*words, "--job", "nobody"], standalone_mode=False) == 2
    assert "nobody" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert app(["verify", "--help"], standalone_mode=False) == 0
    assert "Exit code 0 if all is reproduced, 1 if anything is stale" in capsys.readouterr().out


def test_numbers_are_compared_within_a_relative_tolerance():
    assert same(1.0, 1.0 + 1e-10, 1e-9)
    assert not same(1.0, np.nextafter(1.0, 2.0), 0.0)
    assert not same(1.0, 1.0 + 1e-8, 1e-9)
    assert same(0, 0.0, 0.0)
    assert not same(1, True, 1.0)
    assert not same(None, 0.0, 1.0)
    proof = Proof("a", "elite", (Figure("a.b", "reproduced", 1, 1), Figure("a.c", "taken", reason="why")))
    assert (proof.status, proof.sections()) == ("reproduced", {"a": {"reproduced": 1, "taken": 1}})


def the_job(found):
    (job,) = [one for one in found.proofs if one.what == "job"]
    return job


def test_what_the_job_says_of_its_end_and_of_the_lockbox_is_held_to_its_records(elite_job, copied):
    n = elite_job.n_trials
    assert {one.name for one in the_job(verify(replace(copied, n_trials=n + 1))).stale} == {"job_finished.n_trials"}
    assert {one.name for one in the_job(verify(replace(copied, lockbox_reads=()))).stale} == {"lockbox_read"}
    stopped = replace(copied, status="interrupted", verdict="")
    assert the_job(verify(stopped)).status == "reproduced", "it has no verdict yet, which is no lie"


def test_prices_and_pedigree_are_tables_like_all_others(copied):
    for name, column in (("prices.parquet", "close"), ("pedigree.parquet", "gain")):
        path = copied.run_dir / name
        whole = path.read_bytes()
        frame = pl.read_parquet(path)
        frame.with_columns(pl.col(column) * 1.5).write_parquet(path)
        (wrong,) = the_job(verify(copied)).stale
        assert wrong.name == name
        assert column in wrong.sentence()
        path.write_bytes(whole)


def test_a_candidate_that_was_not_chosen_is_called_so(copied):
    forged = {**copied.elites[0], "id": "0" * 16}
    found = verify(replace(copied, candidates=(*copied.candidates, forged)))
    (wrong,) = [one for one in found.proofs if one.subject == "0" * 16]
    assert "it is not among the candidates chosen" in wrong.stale[0].sentence()
