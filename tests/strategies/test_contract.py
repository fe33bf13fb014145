"""The contract of strategies, held by evolved genomes, templates, examples and a user's modules alike."""

import json
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evolution.genome_strategy import GenomeStrategy
from fitness.bank import FeatureBank
from fitness.checks import COLUMNS
from fitness.costs import Costs
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.played import trace_any
from fitness.samples import random_walk
from fitness.shard import Shard, bars_hash
from fitness.trace import trace
from strategies.codec import express
from strategies.contract import (
    METRICS,
    ROLES,
    AnyStrategy,
    Decisions,
    Parameter,
    Requires,
    RiskPlan,
)
from strategies.contract_checks import checked_decisions, require_causal
from strategies.encoding import encode, phenotype_of
from strategies.errors import DataError, StrategyError, UsageError
from strategies.examples.alexander_filter import AlexanderFilter
from strategies.hand_written import HandWritten
from strategies.modules import load_module_strategies
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Distance, Strategy
from strategies.templates import TEMPLATES

COSTS = Costs.from_bps(fee_bps=5.0, slippage_bps=2.0)
EXAMPLES = ("strategies.examples.sma_cross", "strategies.examples.alexander_filter")
MODULE = '''
from dataclasses import dataclass, field

import numpy as np

from strategies.contract import Decisions, Requires, RiskPlan
from strategies.strategy import Distance, Size

@dataclass(frozen=True)
class Momentum:
    """Long while the close is above that of some bars ago, as sure as it is far above."""

    bars: int = field(default=20, metadata={"low": 1, "high": 300})

    risk = RiskPlan(stop=Distance("atr", 3.0), time_stop=30, size=Size("confidence", 0.8))

    @property
    def requires(self):
        return Requires(warm_up=self.bars)

    def decide(self, bars):
        decisions = Decisions.none(bars.close.size)
        gain = np.zeros(bars.close.size)
        gain[self.bars:] = bars.close[self.bars:] / bars.close[:-self.bars] - 1.0
        decisions.long_entry[:], decisions.long_exit[:] = gain > 0.0, gain < 0.0
        return Decisions(decisions.long_entry, decisions.long_exit, decisions.short_entry, decisions.short_exit,
                         strength=np.clip(10.0 * gain, 0.0, 1.0))
'''


def shard_of(frame_columns: dict[str, np.ndarray], timeframe: str = "1d") -> Shard:
    stamps = frame_columns["timestamp"].astype(np.int64)
    values = {name: np.asarray(frame_columns[name], dtype=float) for name in COLUMNS[1:]}
    return Shard("T", timeframe, stamps, **values, bars_per_year=252.0,
                 content_hash=bars_hash("T", timeframe, stamps, values), quality=1.0)  # fmt: skip


def walk(n_bars: int, seed: int = 5) -> Shard:
    frame = random_walk(seed, n_bars)
    return shard_of({name: frame[name].to_numpy() for name in COLUMNS})


def changed(shard: Shard, start: int) -> Shard:
    """The shard with other bars from `start` on."""
    other = {name: getattr(shard, name).copy() for name in COLUMNS[1:]}
    for name, values in other.items():
        values[start:] *= 0.5 if name == "volume" else np.linspace(0.7, 1.6, shard.n_bars - start)
    return shard_of({"timestamp": shard.timestamps, **other})


def gapped(n_bars: int) -> Shard:
    """Bars that jump by half and back every fifty bars, with a month missing in between."""
    base = walk(n_bars)
    factor = np.where(np.arange(n_bars) // 50 % 2, 1.5, 1.0)
    values = {name: getattr(base, name) * (1.0 if name == "volume" else factor) for name in COLUMNS[1:]}
    stamps = base.timestamps + (np.arange(n_bars) > n_bars // 2) * 30 * 86_400_000_000
    return shard_of({"timestamp": stamps, **values})


def flat(n_bars: int) -> Shard:
    values = {name: np.full(n_bars, 100.0) for name in COLUMNS[1:]}
    return shard_of({"timestamp": np.arange(n_bars) * 86_400_000_000, **values})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("mine")
    (found / "momentum.py").write_text(MODULE)
    (found / "_private.py").write_text("raise RuntimeError('never loaded')")
    return found


def evolved() -> dict[str, AnyStrategy]:
    genomes = random_genomes(5, np.random.default_rng(20))
    return {f"genome {number}": GenomeStrategy.of_genome(row) for number, row in enumerate(genomes)}


NAMES = [*(f"genome {number}" for number in range(5)), *TEMPLATES, *EXAMPLES, "momentum"]


@pytest.fixture(params=NAMES)
def strategy(request, folder) -> AnyStrategy:
    name = request.param
    if name.startswith("genome"):
        return evolved()[name]
    if name in TEMPLATES:
        return GenomeStrategy.of_rules(TEMPLATES[name], name)
    return load_module_strategies(name, [folder])[0]


@pytest.fixture(scope="module")
def bars() -> Shard:
    return walk(500)


def same(one: Decisions, other: Decisions) -> bool:
    strengths = (one.strength is None) == (other.strength is None)
    if one.strength is not None and other.strength is not None:
        strengths = np.array_equal(one.strength, other.strength)
    return strengths and np.array_equal(one.stacked(), other.stacked())


def test_everything_meets_the_contract(strategy):
    assert isinstance(strategy, AnyStrategy)
    assert strategy.name
    assert isinstance(strategy.requires, Requires)
    assert isinstance(strategy.risk, RiskPlan)
    assert strategy.risk.stop is not None
    assert set(strategy.metrics) <= set(MEASURES)
    assert all(isinstance(one, Parameter) for one in strategy.parameters.values())
    assert "\n" not in strategy.text()


def test_decisions_are_the_same_again_and_change_no_input(strategy, bars):
    before = {name: getattr(bars, name).tobytes() for name in COLUMNS[1:]}
    first, second = checked_decisions(strategy, bars), checked_decisions(strategy, bars)
    assert same(first, second)
    assert {name: getattr(bars, name).tobytes() for name in COLUMNS[1:]} == before


def test_decisions_do_not_depend_on_later_bars(strategy, bars):
    whole = require_causal(strategy, bars)
    for start in (260, 499):
        assert same(checked_decisions(strategy, changed(bars, start)).head(start), whole.head(start))


def test_json_round_trip(strategy, bars):
    again = strategy.from_json(strategy.to_json())
    assert again.to_json() == strategy.to_json()
    assert json.loads(strategy.to_json())["schema"].startswith("studbook/")
    assert same(strategy.decide(bars), again.decide(bars))


def test_what_has_a_genome_evolves_and_what_has_none_says_so(strategy, bars):
    if strategy.dna is None:
        for breed in (strategy.mutate, lambda rng: strategy.cross(strategy, rng)):
            with pytest.raises(StrategyError, match=r"Only genomes evolve: a strategy must have DNA to .* has none"):
                breed(np.random.default_rng(1))
        return
    other = GenomeStrategy.of_rules(TEMPLATES["macd"])
    texts = []
    for _ in range(2):
        rng = np.random.default_rng(3)
        mutants = [strategy.mutate(rng) for _ in range(5)]
        children = [*mutants, strategy.cross(other, rng)]
        texts.append([child.to_json() for child in children])
        assert all(Strategy.from_json(child.to_json()).id == child.id for child in children)
        assert any(child.to_json() != strategy.to_json() for child in mutants)
    assert texts[0] == texts[1]
    checked_decisions(children[-1], bars)
    with pytest.raises(StrategyError, match="Only genomes evolve"):
        strategy.cross(HandWritten(AlexanderFilter(), "alexander_filter"), np.random.default_rng(1))


@pytest.mark.parametrize("make", [lambda: walk(1), lambda: walk(3), lambda: flat(300), lambda: gapped(300)],
                         ids=["1 bar", "3 bars", "flat", "gapped"])  # fmt: skip
def test_short_flat_and_gapped_bars(strategy, make):
    shard = make()
    assert require_causal(strategy, shard).stacked().shape == (4, shard.n_bars)


def test_any_strategy_can_be_traded(strategy, bars):
    window = Window("all", 0, bars.n_bars)
    result = trace_any(strategy, bars, window, COSTS, FeatureBank(bars))
    assert result.returns.shape == (bars.n_bars,)
    assert np.isfinite(result.tally).all()


def test_examples_decide_nothing_before_their_warm_up(bars):
    (cross,) = load_module_strategies(EXAMPLES[0])
    decisions = checked_decisions(cross, bars).stacked()
    assert decisions.any()
    assert not decisions[:, : cross.requires.warm_up].any()


def test_genomes_trade_as_evolution_scored_them(bars):
    bank, window = FeatureBank(bars), Window("all", 0, bars.n_bars)
    n_trades = 0
    for one in (*evolved().values(), *map(GenomeStrategy.of_rules, TEMPLATES.values())):
        mine = trace_any(one, bars, window, COSTS, bank)
        theirs = trace(phenotype_of(one.strategy), bars, window, COSTS, bank)
        assert mine.tally.tobytes() == theirs.tally.tobytes()
        by_code = HandWritten(_ByMasks(one, bank), "by_masks")
        code = trace_any(by_code, bars, window, COSTS, bank)
        assert code.trades.tobytes() == theirs.trades.tobytes()
        n_trades += len(theirs.trades)
    assert n_trades > 50


class _ByMasks:
    """The decisions of a genome, given as code would give them."""

    def __init__(self, strategy, bank):
        self.strategy, self.bank, self.risk = strategy, bank, strategy.risk

    def decide(self, bars):
        return self.strategy.decide(bars, self.bank)


def test_the_example_crossover_is_the_template_trade_by_trade():
    bars = walk(3000, seed=11)
    bank, window = FeatureBank(bars), Window("all", 100, bars.n_bars)
    (code,) = load_module_strategies(EXAMPLES[0])
    code = replace(code, rule=_WithRisk(code.rule, RiskPlan.of(TEMPLATES["sma_cross"])))
    mine = trace_any(code, bars, window, COSTS, bank)
    theirs = trace_any(GenomeStrategy.of_rules(TEMPLATES["sma_cross"]), bars, window, COSTS, bank)
    assert len(mine.trades) > 100
    assert mine.trades.tobytes() == theirs.trades.tobytes()
    assert mine.equity.tobytes() == theirs.equity.tobytes()


class _WithRisk:
    def __init__(self, rule, risk):
        self.rule, self.risk = rule, risk

    def decide(self, bars):
        return self.rule.decide(bars)


def test_the_filter_rule_is_that_of_the_paper():
    """Written down from the paper: up by the size from the lowest since the last sale, down from the highest since."""
    bars = walk(400, seed=3)
    decisions, size = AlexanderFilter(0.04).decide(bars), 0.04
    last, since = 0, 0
    for t, close in enumerate(bars.close):
        low, high = bars.close[since : t + 1].min(), bars.close[since : t + 1].max()
        buys = last < 1 and close >= low * (1 + size)
        sells = not buys and last > -1 and close <= high * (1 - size)
        assert (decisions.long_entry[t], decisions.short_entry[t]) == (buys, sells)
        assert (decisions.short_exit[t], decisions.long_exit[t]) == (buys, sells)
        if buys or sells:
            last, since = (1, t) if buys else (-1, t)
    assert decisions.long_entry.sum() > 5


def test_a_risk_plan_is_read_by_the_kernel_as_that_of_a_strategy():
    for strategy in (
        *TEMPLATES.values(),
        replace(TEMPLATES["macd"], breaker=Breaker(0.2, 20), trail=Distance("atr", 3.0)),
    ):
        plan = RiskPlan.of(strategy)
        assert phenotype_of(plan.carrier())[-12:].tobytes() == phenotype_of(strategy)[-12:].tobytes()
        assert plan.to_dict()["stop"] == strategy.to_dict()["stop"]


def test_a_genome_keeps_its_silent_genes_and_rules_off_the_grid_have_none():
    (genome,) = random_genomes(1, np.random.default_rng(4))
    one = GenomeStrategy.of_genome(genome)
    assert one.dna.tobytes() == genome.tobytes()
    assert phenotype_of(one.strategy).tobytes() == express(genome[None, :])[0].tobytes()
    template = GenomeStrategy.of_rules(TEMPLATES["sma_cross"])
    assert template.dna.tobytes() == encode(TEMPLATES["sma_cross"]).tobytes()
    odd = GenomeStrategy.of_rules(replace(TEMPLATES["sma_cross"], stop=Distance("percent", 3.14159)))
    assert odd.dna is None
    with pytest.raises(StrategyError, match="Only genomes evolve"):
        odd.mutate(np.random.default_rng(1))


def test_a_strategy_of_the_grammar_wants_a_shard():
    with pytest.raises(UsageError, match="must decide on a Shard, but was given int"):
        GenomeStrategy.of_rules(TEMPLATES["macd"]).decide(3)


# ---- what is refused when it is loaded


def write(folder: Path, body: str, name: str = "mine.py") -> str:
    head = "import numpy as np\nfrom strategies.contract import *\nfrom strategies.strategy import *\n"
    path = folder / name
    path.write_text(head + textwrap.dedent(body))
    return str(path)


def rule(body: str, extra: str = "") -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
    head = f"class Rule:\n{textwrap.indent(extra, '    ')}\n    def decide(self, bars):\n"
    return f"{head}        n = bars.close.size\n{lines}\n"


def decisions_like(first: str) -> str:
    return f"d = np.zeros(n, dtype=bool)\nreturn Decisions({first}, d, d, d)"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1", r"must give one strategy, but .*mine\.py has 0"),
        (rule("return 1") + rule("return 1").replace("Rule", "Other"), r"has 2 \(Rule, Other\)"),
        ("raise ValueError('no')", r"must load, but .*mine\.py raised ValueError: no \(mine\.py, line 4\)"),
        ("def f(:", r"raised SyntaxError: .*\(mine\.py, line 4\)"),
        ("STRATEGY = 3", "STRATEGY of .* is a int without it"),
        ("class Rule:\n    def __init__(self, n): pass\n    def decide(self, bars): pass", "raised TypeError"),
        (rule("return 1", "risk = 3"), "`risk` of .* must be a RiskPlan, but was 3"),
        (rule("return 1", "risk = RiskPlan(stop=None)"), "must have a stop, but had none"),
        (rule("return 1", "requires = ['volume']"), "`requires` of .* must be a Requires"),
    ],
)  # fmt: skip
def test_modules_that_give_no_strategy_are_refused_by_name(tmp_path, body, message):
    with pytest.raises(StrategyError, match=message):
        load_module_strategies(write(tmp_path, body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "must return Decisions, but returned NoneType"),
        ("return 1 / 0", r"raised ZeroDivisionError: division by zero \(mine\.py, line \d+\)"),
        (decisions_like("d[:-1]"), r"`long_entry` of mine must be \(300,\), but was \(299,\)"),
        (decisions_like("d.astype(int)"), "`long_entry` of mine must be of bool, but was of int64"),
        (decisions_like("list(d)"), "`long_entry` of mine must be a NumPy array, but was list"),
        ("bars.close[0] = 1.0", "raised ValueError: assignment destination is read-only"),
        ("d = np.zeros(n, dtype=bool)\nreturn Decisions(d, d, d, d, strength=np.ones(n))",
         "`strength` of mine must be given where the size is `confidence`, and only there, but was given"),
        (decisions_like("np.roll(bars.close, -1) > bars.close"), r"`long_entry` of mine at bar \d+ \(.*looks ahead"),
        (decisions_like("bars.close > bars.close.mean()"), "looks ahead"),
        (decisions_like("np.arange(n) == n - 3"), "looks ahead"),
        ("d = np.random.default_rng().random(n) > 0.5\nreturn Decisions(d, d, d, d)", "decide the same on the same"),
    ],
)  # fmt: skip
def test_decisions_that_break_the_contract_are_refused_by_name(tmp_path, body, message):
    (found,) = load_module_strategies(write(tmp_path, rule(body)))
    with pytest.raises(StrategyError, match=message):
        require_causal(found, walk(300))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_strength_is_between_0_and_1(tmp_path, value):
    body = "d = np.zeros(n, dtype=bool)\ns = np.ones(n)\ns[7] = VALUE\nreturn Decisions(d, d, d, d, strength=s)"
    text = rule(body.replace("VALUE", f"float('{value}')"), "risk = RiskPlan(size=Size('confidence', 1.0))")
    (found,) = load_module_strategies(write(tmp_path, text))
    with pytest.raises(
        StrategyError, match=r"`strength` of mine must be from 0 to 1 at every bar, but was .* at bar 7"
    ):
        checked_decisions(found, walk(20))


def test_the_first_bar_that_looks_ahead_is_named(tmp_path):
    """One entry, made because a later bar is known: the message says which."""
    body = "d = np.zeros(n, dtype=bool)\nif n > 150: d[77] = True\nreturn Decisions(d, d & False, d & False, d & False)"
    (found,) = load_module_strategies(write(tmp_path, rule(body)))
    with pytest.raises(StrategyError, match="`long_entry` of mine at bar 77 "):
        require_causal(found, walk(300))


def test_required_data_is_asked_for(tmp_path):
    shard = walk(50)
    for extra, error, message in (
        (
            "requires = Requires(timeframes=('1h', '4h'))",
            StrategyError,
            "must be traded on 1h or 4h, but the bars of T are 1d",
        ),
        (
            "requires = Requires(columns=('funding',))",
            DataError,
            "must have the columns funding, but T 1d has no funding",
        ),
    ):
        (found,) = load_module_strategies(write(tmp_path, rule(decisions_like("d"), extra)))
        with pytest.raises(error, match=message):
            checked_decisions(found, shard)


def test_names_lead_to_modules(folder, tmp_path):
    by_name = load_module_strategies("momentum", [tmp_path, folder])
    by_file = load_module_strategies(str(folder / "momentum.py"))
    by_folder = load_module_strategies(str(folder))
    assert [one.name for found in (by_name, by_file, by_folder) for one in found] == ["momentum"] * 3
    assert len({one.to_json() for found in (by_name, by_file, by_folder) for one in found}) == 1
    assert by_name[0].metrics == METRICS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.at.all", "one that can be imported, a file, or a name in a folder"),
        ("nowhere", "a name in a folder of strategies, but was 'nowhere'"),
        ("strategies.nowhere", "but was 'strategies.nowhere'"),
        ("strategies.errors.nowhere", "but was 'strategies.errors.nowhere'"),
        ("", "must have a name, but was ''"),
        ("no/such/file.py", "there is no file or folder no/such/file.py"),
    ],
)
def test_unknown_modules_are_usage_errors(name, message):
    with pytest.raises(UsageError, match=message):
        load_module_strategies(name, [Path("mine")])


def test_a_package_that_fails_says_so(tmp_path, monkeypatch):
    (tmp_path / "failing").mkdir()
    (tmp_path / "failing" / "__init__.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "failing" / "rule.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        StrategyError, match=r"failing\.rule raised ModuleNotFoundError: No module named 'not_installed"
    ):
        load_module_strategies("failing.rule")


def test_an_empty_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"must have files ending in \.py, but .* has none"):
        load_module_strategies(str(tmp_path))


def test_parameters_have_bounds_and_json_changes_them():
    (cross,) = load_module_strategies(EXAMPLES[0])
    assert cross.parameters["fast"] == Parameter(10, 2, 400)
    other = cross.from_json(cross.to_json().replace('"fast":10', '"fast":7'))
    assert other.rule.fast == 7
    assert other.id != cross.id
    for text, message in (
        ('"fast":1', "`fast` of sma_cross must be from 2 to 400, but was 1"),
        ('"fast":true', "`fast` of sma_cross must be a int, but was True"),
        ('"quick":7', "must be one of fast, slow, but was 'quick'"),
    ):
        with pytest.raises(StrategyError, match=message):
            cross.from_json(cross.to_json().replace('"fast":10', text))
    for text, message in (
        ("{", "is not JSON"),
        ("[]", "must name it as its module"),
        (cross.to_json().replace("sma_cross", "other"), "must name it as its module"),
        (cross.to_json().replace('"value":10', '"value":11'), "must have the schema and the risk of its module"),
    ):
        with pytest.raises(StrategyError, match=message):
            cross.from_json(text)


def test_roles_are_those_of_the_kernel():
    from fitness.kernel import MASK_ROLES

    assert tuple(MASK_ROLES) == ROLES
