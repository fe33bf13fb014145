"""From last populations to elites: who is chosen, what is read, in which order, and what is left behind."""

import json
import threading
from functools import cache

import numpy as np
import polars as pl
import pytest

from cluster.births_file import read_births
from cluster.choosing import choose, different
from cluster.driver import run_job
from cluster.examination import Examiner, stretch_windows
from cluster.job_config import POOL
from cluster.journal import FILE_NAME, Record, read_journal
from cluster.judging import N_WORLDS
from cluster.learnable import permuted_market
from cluster.portfolio import is_redundant, redundant_with
from cluster.promotion import Promotion
from cluster.run_folder import read_entry
from cluster.signals import Interrupted
from cluster.trial_ledger import behaviours_of, count_trials
from cluster.trial_statistics import N_BLOCKS, N_SPA, sampled
from cluster.view import view_of
from cluster.worker import language_of
from evolution.pedigree import generation_of
from evolution.population import state_from_bytes
from evolution.selection import feasible, pareto_ranks
from fitness.attribution import FIGURES, members
from fitness.battery import BATTERY
from fitness.excess import timing_returns
from fitness.gates import GATES, GateReport, deflated, passed_all
from fitness.pooled import pool, pool_measures
from fitness.statistics import block_sums, effective_trials, moments, overfitting, superior_ability
from strategies.codec import express
from strategies.encoding import phenotype_of
from strategies.strategy import Strategy

EASY = {
    "min_trades": 1, "dsr": None, "validation_sharpe": None, "max_drawdown": None, "spa": None, "pbo": None,
    "regimes": None, "stability": None, "battery": False, "candidates": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def config(tiny_values):
    from cluster.settings import config_from

    return config_from({**tiny_values, "gates": EASY}, where="test")


@pytest.fixture(scope="module")
def states(view):
    last = view.config.evolution.n_epochs - 1
    ended = {data["island"]: data["state"] for data in view.epochs if data["epoch"] == last}
    return [state_from_bytes(read_entry(view.run_dir, ended[island])) for island in sorted(ended)]


@pytest.fixture(scope="module")
def births(view):
    return read_births(view.run_dir, view.epochs)


def promote(view, market, states, births, records, run_dir, stop=None):
    """Run a promotion that writes to `run_dir`, on a journal that is a list."""
    appended = []

    def append(kind, data):
        appended.append((kind, json.loads(json.dumps(data, allow_nan=False))))

    before = view_of(view.run_dir, records)
    outcome = Promotion(
        run_dir, before, market, births=births, states=states, append=append, stop=stop or threading.Event()
    ).run()
    return outcome, appended


def breeding_records(view):
    """The journal as it stood when the last epoch had ended."""
    records = read_journal(view.run_dir / FILE_NAME).records
    return [record for record in records if record.kind in ("job_created", "epoch_finished")]


def test_candidates_are_different_and_the_best_of_the_first_front_first(states):
    chosen = choose(states, ("steady_sharpe", "max_drawdown"), 1000)
    ids = [one.strategy.id for one in chosen]
    assert len(set(ids)) == len(ids)
    values = np.array([list(one.objectives.values()) for one in chosen])
    ranks = pareto_ranks(values)
    assert (np.diff(ranks) >= 0).all()
    for rank in np.unique(ranks):
        assert (np.diff(values[ranks == rank, 0]) <= 0).all()
    fit = sum(feasible(state.objectives, state.reasons).sum() for state in states)
    assert len(chosen) <= fit
    assert [one.strategy.id for one in choose(states, ("a", "b"), 2)] == ids[:2]


def test_candidates_do_not_depend_on_the_order_of_islands(states):
    first, second = (choose(order, ("a", "b"), 50) for order in (states, states[::-1]))
    assert [(one.strategy.id, one.birth_id) for one in first] == [(one.strategy.id, one.birth_id) for one in second]


def test_of_equal_strategies_the_oldest_birth_is_named(states):
    chosen = {one.birth_id for one in choose(states, ("a", "b"), 1000)}
    keys = np.concatenate([state.keys for state in states])
    ids = np.concatenate([state.birth_ids for state in states])
    for key in np.unique(keys, axis=0):
        same = ids[(keys == key).all(axis=1)]
        if chosen & set(same.tolist()):
            (named,) = chosen & set(same.tolist())
            assert generation_of(np.array([named]))[0] == generation_of(same).min()


def test_a_record_says_all_that_was_found(view, births):
    assert view.candidates
    for record in view.candidates:
        strategy = Strategy.from_json(json.dumps(record["strategy"]))
        assert (strategy.id, strategy.text()) == (record["id"], record["text"])
        assert record["birth_id"] in births.birth_id.tolist()
        assert [gate["name"] for gate in record["gates"]][: len(GATES)] == list(GATES)
        assert record["in_sample"]["n_trades"] == sum(shard["in_sample"]["n_trades"] for shard in record["per_shard"])
        assert [shard["symbol"] for shard in record["per_shard"]] == ["SPX", "IXIC"]
        read = record["lockbox"] is not None
        before, last = record["gates"][: len(GATES)], record["gates"][len(GATES) :]
        assert read == (len(last) == 1) == all(gate["passed"] for gate in before)
        assert (record["benchmark"]["lockbox"] is not None) == read
        assert (record["intervals"]["lockbox"] is not None) == read
        assert record["passed"] == (read and last[0]["passed"])


def test_the_battery_and_all_else_is_asked_of_every_candidate(view):
    for record in view.candidates:
        assert [one["name"] for one in record["battery"]] == list(BATTERY)
        gate = next(gate for gate in record["gates"] if gate["name"] == "battery")
        assert gate["value"] == sum(one["passed"] for one in record["battery"])
        assert record["stability"]["n"] > 0
        assert record["stress"]["n_draws"] == N_WORLDS
        assert list(record["stress"]["quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
        for stretch in ("in_sample", "validation"):
            low, high = record["intervals"][stretch]["sharpe"]
            assert low < record[stretch]["sharpe"] < high
            low, high = record["intervals"][stretch]["cagr"]
            assert low < record[stretch]["cagr"] < high
        assert record["min_trl"] is None or record["min_trl"] > 0


def test_the_gates_judge_returns_beyond_holding(view, market):
    """The deflated Sharpe ratio of a candidate is that of its timing returns, by hand from its traces."""
    record = view.candidates[0]
    phenotype = phenotype_of(Strategy.from_json(json.dumps(record["strategy"])))
    traces = Examiner(market, bank_bytes=2**24).examine(phenotype, "in_sample").by_shard
    beyond = pool([
        series for shard, each in zip(market.shards, traces, strict=True)
        for series in timing_returns(each, shard, start_equity=market.costs.start_equity)
    ])  # fmt: skip
    expected = deflated(beyond, n_trials=view.chosen["n_trials"], trial_variance=view.chosen["trial_variance"])
    assert next(gate["value"] for gate in record["gates"] if gate["name"] == "dsr") == pytest.approx(expected)


def test_files_of_a_candidate(view, market):
    record = next(record for record in view.candidates if record["lockbox"] is not None)
    base = view.run_dir / "candidates" / record["id"]
    assert json.loads(base.with_suffix(".json").read_text()) == record
    equity = pl.read_parquet(base.with_suffix(".equity.parquet"))
    assert equity.columns == ["symbol", "timestamp", "segment", "equity", "benchmark"]
    assert equity["symbol"].unique(maintain_order=True).to_list() == ["SPX", "IXIC", POOL]
    for (symbol, segment), part in equity.group_by("symbol", "segment"):
        assert part["timestamp"].is_sorted()
        if symbol == POOL:
            end, held = part["equity"][-1] - 1, part["benchmark"][-1] - 1
            assert end == pytest.approx(record[segment]["total_return"], abs=1e-9)
            assert held == pytest.approx(record["benchmark"][segment]["total_return"], abs=1e-9)
    assert equity.filter(pl.col("symbol") == "SPX").height == sum(
        window.n_bars for stretch in ("in_sample", "validation", "lockbox")
        for window in stretch_windows(market.splits[0], stretch)
    )  # fmt: skip
    trades = pl.read_parquet(base.with_suffix(".trades.parquet"))
    for segment in ("in_sample", "validation", "lockbox"):
        assert trades.filter(pl.col("segment") == segment).height == record[segment]["n_trades"]
    assert set(trades["side"].unique()) <= {"long", "short"}


def test_elites_are_strategies_that_can_be_read_back(view):
    written = {path.stem: Strategy.from_json(path.read_text()) for path in (view.run_dir / "elites").glob("*.json")}
    assert set(written) == {record["id"] for record in view.elites}
    assert all(strategy.id == name for name, strategy in written.items())


def test_the_lockbox_is_journalled_before_it_is_read(view, market, states, births, tmp_path, monkeypatch):
    events = []
    examine = Examiner.examine

    def watched(self, phenotype, stretch):
        events.append(stretch)
        return examine(self, phenotype, stretch)

    monkeypatch.setattr(Examiner, "examine", watched)
    appended = []
    Promotion(
        tmp_path, view_of(view.run_dir, breeding_records(view)), market, births=births, states=states,
        append=lambda kind, data: (events.append(kind), appended.append((kind, data))), stop=threading.Event(),
    ).run()  # fmt: skip
    assert events.index("candidates_chosen") < events.index("lockbox_read") < events.index("lockbox")
    assert events.count("lockbox_read") == 1
    (announced,) = [data["candidates"] for kind, data in appended if kind == "lockbox_read"]
    assert len(announced) == events.count("lockbox")


def test_without_anyone_at_the_last_gate_the_lockbox_stays_shut(
    tiny_job, market, view, states, births, tmp_path, monkeypatch
):
    strict = breeding_records(view)
    created = strict[0].data | {"config": tiny_job(gates={**EASY, "dsr": 1.0}).model_dump(mode="json")}
    strict[0] = Record(0, strict[0].at, "job_created", created)
    examine = Examiner.examine

    def shut(self, phenotype, stretch):
        assert stretch != "lockbox"
        return examine(self, phenotype, stretch)

    monkeypatch.setattr(Examiner, "examine", shut)
    outcome, appended = promote(view, market, states, births, strict, tmp_path)
    assert outcome.n_elites == 0
    assert outcome.verdict.startswith("Nothing passed: the best of ")
    assert "lockbox_read" not in [kind for kind, _ in appended]
    assert all(data["record"]["lockbox"] is None for kind, data in appended if kind == "candidate")


def test_a_promotion_again_gives_the_same_and_reads_nothing_twice(view, market, states, births, tmp_path):
    first, appended = promote(view, market, states, births, breeding_records(view), tmp_path / "a")
    assert first.verdict == view.verdict
    assert [data["record"] for kind, data in appended if kind == "candidate"] == list(view.candidates)
    records = [r for r in read_journal(view.run_dir / FILE_NAME).records if r.kind != "job_finished"]
    again, nothing = promote(view, market, states, births, records, tmp_path / "b")
    assert (again, nothing) == (first, [])


def test_a_second_reading_of_the_lockbox_is_on_record(view, market, states, births, tmp_path):
    records = [r for r in read_journal(view.run_dir / FILE_NAME).records if r.kind not in ("candidate", "job_finished")]
    _, appended = promote(view, market, states, births, records, tmp_path)
    (reading,) = [data for kind, data in appended if kind == "lockbox_read"]
    assert reading["again"] is True
    assert reading["candidates"] == view.lockbox_reads[0]["candidates"]


def test_trials_are_the_ways_of_trading_of_the_ledger(view, births):
    count = count_trials(view_of(view.run_dir, breeding_records(view)), births)
    assert view.chosen["n_trials"] == count.n_behaviours == view.n_trials
    assert view.chosen["trials"]["n_genomes"] == count.n_genomes
    assert len(np.unique(behaviours_of(births)[births.evaluated])) == view.chosen["n_sampled"]


def test_the_figures_of_trials_are_those_of_all_their_returns(view, births, market):
    chosen, language = view.chosen, language_of(view.config)
    examiner = Examiner(market, bank_bytes=2**24)
    founders = births.take((births.generation == 0) & births.evaluated)
    luck = Examiner(permuted_market(market, view.config.seed), bank_bytes=2**24)
    sharpes = [moments(row).sharpe for row in luck.trial_returns(express(founders.genome, language))]
    assert chosen["trial_variance"] == pytest.approx(np.nanvar(sharpes, ddof=1))
    on_real_bars = [moments(row).sharpe for row in examiner.trial_returns(express(founders.genome, language))]
    assert chosen["trial_variance"] != pytest.approx(np.nanvar(on_real_bars, ddof=1))
    tried = births.take(births.evaluated)
    one_each = np.sort(np.unique(behaviours_of(tried), return_index=True)[1])
    returns = examiner.trial_returns(express(tried.genome[one_each], language))
    spa = superior_ability([returns], block=chosen["block"], n_resamples=N_SPA, seed=view.config.seed)
    assert {name: chosen["spa"][name] for name in ("consistent", "best", "n_models")} == {
        "consistent": spa.consistent, "best": spa.best, "n_models": spa.n_models,
    }  # fmt: skip
    assert chosen["pbo"]["pbo"] == overfitting(block_sums(returns, N_BLOCKS)).pbo
    assert sum(chosen["pbo"]["logits"]["counts"]) == chosen["pbo"]["n_splits"]
    assert chosen["effective"]["n_clusters"] == effective_trials(returns).n_clusters
    assert len(chosen["paths"]["sharpes"]) == 9


def test_a_sample_of_trials_always_has_the_candidates(births):
    chosen = births.birth_id[births.evaluated][-3:]
    rows, founders = sampled(births, chosen, 10)
    assert len(rows) == 10
    assert set(behaviours_of(births)[births.evaluated][-3:]) <= set(behaviours_of(births)[rows])
    assert (births.generation[founders] == 0).all()
    whole, _ = sampled(births, chosen, None)
    assert (np.diff(whole) > 0).all()
    assert len(whole) == len(np.unique(behaviours_of(births)[births.evaluated]))


def test_candidates_do_not_trade_alike_while_there_are_others():
    rng = np.random.default_rng(1)
    first, other = rng.normal(size=(2, 100))
    twin, third = first + 0.01 * rng.normal(size=100), rng.normal(size=100)
    rows = np.array([first, twin, other, third])
    assert different(rows, 2) == [0, 2]
    assert different(rows, 3) == [0, 2, 3]
    assert different(rows, 4) == [0, 1, 2, 3]
    assert different(np.array([first, twin, twin]), 2) == [0, 1]


def test_earlier_trials_are_counted_once(view, market, states, births, tmp_path):
    """A promotion that is run again judges by the N that was journalled, whatever was tried since."""
    records = [r for r in read_journal(view.run_dir / FILE_NAME).records if r.kind not in ("candidate", "job_finished")]
    place = next(i for i, record in enumerate(records) if record.kind == "candidates_chosen")
    figures = records[place].data | {"n_trials": 10**6}
    records[place] = Record(place, records[place].at, "candidates_chosen", figures)
    outcome, appended = promote(view, market, states, births, records, tmp_path)
    assert outcome.n_trials == 10**6
    assert "candidates_chosen" not in [kind for kind, _ in appended]
    record = next(data["record"] for kind, data in appended if kind == "candidate")
    explanation = next(gate["explanation"] for gate in record["gates"] if gate["name"] == "dsr")
    assert explanation.startswith("Of 1,000,000 ways of trading tried")


def test_a_job_in_which_nobody_was_feasible_ends_properly(tiny_job, tmp_path):
    view = run_job(tiny_job(gates={"min_trades": 10**6}, evolution={"generations": 1}), root=tmp_path)
    assert view.status == "finished"
    assert view.candidates == ()
    assert "Nothing passed" in view.verdict


def test_stop_while_candidates_are_judged(view, market, states, births, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted, match="stopped while the candidates were judged"):
        promote(view, market, states, births, breeding_records(view), tmp_path, stop)


def test_the_lockbox_lies_behind_everything_that_evolution_sees(market):
    for cut in market.splits:
        seen = max(window.stop for window in (*stretch_windows(cut, "in_sample"), *stretch_windows(cut, "validation")))
        assert stretch_windows(cut, "lockbox")[0].start >= seen


def test_examined_figures_are_those_of_evolution(view, market):
    """The trace of a candidate and the tallies that evolution scored are the same trades."""
    from cluster.serial_executor import local_evaluator
    from fitness.tally import Tally

    record = view.candidates[0]
    strategy = Strategy.from_json(json.dumps(record["strategy"]))
    tallies = local_evaluator(view.config, market)(phenotype_of(strategy)[None, :], "folds")
    assert tallies[0, :, Tally.N_TRADES].sum() == record["in_sample"]["n_trades"]
    assert not passed_all(())


@pytest.fixture(scope="module")
def lenient(tiny_values, view, market, states, births, tmp_path_factory):
    """A function from a limit of correlation to the outcome and records of a promotion that lets everyone pass."""
    from cluster.settings import config_from

    def open_gate(readings, **_):
        return [GateReport("lockbox", 0.0, 1.0, True, "open to all")] * len(readings)

    @cache
    def run(max_correlation):
        changes = {"gates": {**EASY, "candidates": 6}, "portfolio": {"max_correlation": max_correlation}}
        config = config_from({**tiny_values, **changes}, where="test")
        records = breeding_records(view)
        records[0] = Record(
            0, records[0].at, "job_created", records[0].data | {"config": config.model_dump(mode="json")}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cluster.promotion.lockbox_gates", open_gate)
            outcome, appended = promote(view, market, states, births, records, tmp_path_factory.mktemp("lenient"))
        return outcome, [data["record"] for kind, data in appended if kind == "candidate"]

    return run


def seen_returns(view, market, record):
    """Pooled returns outside the lockbox, from a new examiner."""
    phenotype = phenotype_of(Strategy.from_json(json.dumps(record["strategy"])))
    examiner = Examiner(market, bank_bytes=2**24)
    traces = [one for stretch in ("in_sample", "validation") for one in examiner.examine(phenotype, stretch).traces]
    return pool(traces).returns


def test_redundant_elites_are_named_with_the_better_one_that_they_repeat(lenient, view, market):
    outcome, records = lenient(0.2)
    elites = [record for record in records if record["passed"]]
    assert len(elites) >= 3
    returns = {record["id"]: seen_returns(view, market, record) for record in elites}
    kept, redundant = [], 0
    for record in elites:  # by deflated Sharpe, as they are judged
        rho = {other: float(np.corrcoef(returns[record["id"]], returns[other])[0, 1]) for other in kept}
        assert {k: record["portfolio"]["correlations"][k] for k in rho} == pytest.approx(rho, abs=1e-12)
        above = [other for other, value in rho.items() if value > 0.2]
        assert is_redundant(record) == bool(above)
        if above:
            redundant += 1
            found = redundant_with(record)
            assert found["id"] == max(above, key=rho.get)
            assert found["correlation"] == pytest.approx(rho[found["id"]])
            assert found["limit"] == 0.2
        else:
            kept.append(record["id"])
    assert redundant
    assert f"{redundant} elite" in outcome.verdict
    sharpes = [next(gate["value"] for gate in record["gates"] if gate["name"] == "dsr") for record in elites]
    assert sharpes == sorted(sharpes, reverse=True)


def test_at_a_limit_of_1_nobody_is_redundant(lenient):
    outcome, records = lenient(1.0)
    assert outcome.n_elites > 1
    assert not any(map(is_redundant, records))
    assert "redundant" not in outcome.verdict


def test_the_limit_changes_nothing_else(lenient):
    (_, strict), (_, loose) = lenient(0.2), lenient(1.0)
    for pair in zip(strict, loose, strict=True):
        one, other = (record | {"portfolio": record["portfolio"] | {"redundant_with": None}} for record in pair)
        assert one == other


def test_every_elite_has_an_attribution_outside_the_lockbox(lenient, market):
    _, records = lenient(1.0)
    examiner = Examiner(market, bank_bytes=2**24)
    assert any(record["passed"] for record in records)
    for record in records:
        if not record["passed"]:
            assert record["attribution"] is None
            continue
        strategy = Strategy.from_json(json.dumps(record["strategy"]))
        found = record["attribution"]
        assert len(found["contributions"]) == len(members(strategy))
        phenotype = phenotype_of(strategy)
        traces = [one for stretch in ("in_sample", "validation") for one in examiner.examine(phenotype, stretch).traces]
        whole = pool_measures(traces)
        assert found["whole"] == pytest.approx({name: whole[name] for name in FIGURES})


def test_a_record_has_its_species_and_its_measures_by_regime(view):
    for record in view.candidates:
        assert record["species"] in ("ta", "ml", "hybrid")
        for stretch in ("in_sample", "validation"):
            whole = record["regimes"][stretch]["strategy"]["all"]["all"]["measures"]["n_trades"]
            assert whole == record[stretch]["n_trades"]
        assert ("lockbox" in record["regimes"]) == (record["lockbox"] is not None)
