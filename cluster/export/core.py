"""What every Python that is exported begins with: a strategy's signals, from bars alone, with NumPy and TA-Lib.

`core_source` writes `signals()` for one strategy, and carries along what it needs of ours as source text (`bundle.py`):
learners, regimes, higher bars, our own features. Engines add how to trade on top (`runtime/`).
"""

import pprint
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cluster.export.bundle import Name, bundle
from cluster.export.core_rules import TALIB_FAMILIES, feature_name, function_of, operand_text, truth_text, vote_lines
from evolution.genome_strategy import operands_of
from fitness.reference_rules import gates_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.features import FEATURES
from strategies.learners.kernels import KERNELS
from strategies.learners.table import ALGORITHMS, N_HYPER
from strategies.learners.targets import TARGET_FUNCTIONS
from strategies.mirrors import mirror
from strategies.strategy import Learner, Operand, Strategy
from strategies.wording import learner_text

RISK: Final = ("direction", "stop", "target", "trail", "time_stop", "cooldown", "size", "breaker")
"""What `RISK` holds in an exported file, as in the strategy's JSON."""
_LEARNING: Final = {
    "frozen": ("strategies.views", "frozen"),
    "standardised": ("strategies.learners.standardising", "standardised"),
    "standardised_returns": ("strategies.learners.standardising", "standardised_returns"),
    "said_nb": ("strategies.learners.running", "said_nb"),
    "Learned": ("strategies.learners.running", "Learned"),
}
_HIGHER: Final = ("strategies.higher_bars", "higher_bars")
_INVERSE: Final = ("fitness.sizing", "inverse_volatility")
_COMPILED: Final = '''try:  # compiled, learners are a hundred times faster; they say the same without
    from numba import njit

    compiled = njit(error_model="numpy")
except ImportError:

    def compiled(function):
        """The function as it is."""
        return function'''
_SIGNALS: Final = '''def signals(
    open, high, low, close, volume, timestamps=None, timeframe=%r, bars_per_year=%r, extra=None
):
    """What is wanted at the close of each bar, to be filled at the next open.

    Takes equally long columns, oldest bar first; timestamps are the bars' opens in microseconds UTC. Returns arrays by
    name: long_entry, long_exit, short_entry, short_exit (bool), atr (what orders in ATR are measured in, at the bar of
    the decision) and scale (what a size by volatility or confidence is multiplied with there; None for other sizes).
    """
    with np.errstate(all="ignore"):
        return _signals(Bars(open, high, low, close, volume, timestamps, timeframe, extra), bars_per_year)


def _signals(bars, bars_per_year):
    n_bars = bars.close.size'''
_NOTHING: Final = "np.zeros(n_bars, dtype=bool)"
_RETURN: Final = """    atr = operand(talib.ATR, (bars.high, bars.low, bars.close), (14,), 0, 14)
    return {
        "long_entry": long_entry,
        "long_exit": long_exit,
        "short_entry": short_entry,
        "short_exit": short_exit,
        "atr": atr,
        "scale": scale,
    }
"""


def core_source(
    strategy: Strategy,
    *,
    extra: bool = False,
    more: Mapping[str, Name] | None = None,
    timeframe: str = "1d",
    bars_per_year: float = 252.0,
) -> str:
    """Return the source that every exported Python file begins with, after its docstring.

    It defines `STRATEGY_ID`, `RULES`, `RISK` and `signals()`, needs NumPy and TA-Lib, and uses numba where it is.

    Args:
        strategy: any of the grammar.
        extra: whether bars may bring extra columns along; engines' bars have none.
        timeframe: of the bars, which `signals` takes unless it is told another.
        bars_per_year: likewise.
        more: definitions of ours to carry along besides, by the name that they go by in the file.
        timeframe, bars_per_year: what `signals` takes bars to be of where it is not told.

    Raises:
        StrategyError: it reads extra columns and `extra` is False, or an operand that TA-Lib here can't compute.
    """
    operands = list(operands_of(strategy))
    if not extra:
        _refuse_extra(strategy, operands)
    roots = {**_roots(strategy, operands), **(more or {})}
    carried = bundle(dict.fromkeys(roots.values()))
    aliases = [f"{alias} = {carried.names[name]}" for alias, name in roots.items() if carried.names[name] != alias]
    parts = [
        _imports(carried.imports),
        *([_COMPILED] if "@compiled" in carried.source else []),
        f'STRATEGY_ID = "{strategy.id}"\nRULES = {strategy.text()!r}',
        f"RISK = {literal({name: strategy.to_dict()[name] for name in RISK})}",
        (Path(__file__).parent / "runtime/core.txt").read_text(encoding="utf-8").rstrip(),
        *([carried.source] if carried.source else []),
        *(["\n".join(aliases)] if aliases else []),
        *(_learner_source(slot, learner) for slot, learner in enumerate(strategy.learners)),
        *([_VOTES] if strategy.learners else []),
        "\n".join([_SIGNALS % (timeframe, bars_per_year), *_body(strategy, operands), _RETURN]).rstrip(),
    ]
    return "\n\n\n".join(parts) + "\n"


def _imports(lines: Iterable[str]) -> str:
    """Import lines, the standard library's first, each module once."""
    plain, named = [line for line in lines if line.startswith("import ")], defaultdict(list)
    for line in sorted(set(lines) - set(plain)):
        module, _, name = line.removeprefix("from ").partition(" import ")
        named[module].append(name)
    ours = {"import numpy as np", "import talib"}
    first = [
        *sorted(set(plain) - ours),
        *(f"from {module} import {', '.join(names)}" for module, names in named.items()),
    ]
    return "\n".join([*first, *([""] if first else []), *sorted(ours)])


def _refuse_extra(strategy: Strategy, operands: Iterable[Operand]) -> None:
    needed = dict.fromkeys(name for one in operands for name in function_of(one).requires)
    if needed:
        raise StrategyError(
            f"An exported strategy must read open, high, low, close and volume alone, but {strategy.id} reads the "
            f"columns {', '.join(needed)}, which no engine hands on. Export as Python or JSON instead."
        )


def _roots(strategy: Strategy, operands: Sequence[Operand]) -> dict[str, Name]:
    """What of ours a strategy needs, by the name that it goes by in the file."""
    roots: dict[str, Name] = {}
    if any(one.timeframe for one in operands):
        roots["higher_bars"] = _HIGHER
    for one in [*operands, *(gate.left for gate in gates_of(strategy))]:
        kind = function_of(one)
        if kind.family not in (*TALIB_FAMILIES, "learner"):
            compute = FEATURES[kind.function].compute
            roots[feature_name(kind)] = (compute.__module__, compute.__name__)
    for learner in strategy.learners:
        module, function = KERNELS[learner.algorithm].split(".")
        target = TARGET_FUNCTIONS[learner.target]
        roots |= _LEARNING
        roots[f"learn_{learner.algorithm}"] = (f"strategies.learners.{module}", function)
        roots[f"target_{learner.target}"] = (target.__module__, target.__name__)
    if strategy.size.kind == "volatility":
        roots["inverse_volatility"] = _INVERSE
    return roots


def _learner_source(slot: int, learner: Learner) -> str:
    """The function of one learner: score and confidence at each bar."""
    entry = ALGORITHMS[learner.algorithm]
    first, second = (*(float(value) for value in learner.hyper), 0.0, 0.0)[:N_HYPER]
    columns = "".join(f"            {operand_text(one)},\n" for one in learner.features)
    if entry.uses_features:
        rows = f"    columns = np.column_stack(\n        [\n{columns}        ]\n    )\n    x = standardised(columns)"
    else:
        rows = "    x = frozen(standardised_returns(bars.close)[:, None], np.float64)"
    return f'''def learner_{slot}(bars, higher):
    """{learner_text(learner)}."""
{rows}
    y = frozen(target_{learner.target}({learner.horizon}, bars), np.float64)
    raw, score, confidence = np.empty((3, bars.close.size))
    learn_{learner.algorithm}(x, y, {learner.horizon}, {first!r}, {second!r}, raw)
    said_nb(frozen(raw, np.float64), x, y, {learner.horizon}, {entry.classifies}, score, confidence)
    return Learned(score, confidence)'''


_VOTES: Final = '''def votes_for(side, said, edge, trust):
    """Where a learner votes for a side: 1 is long, -1 short."""
    sure = said.confidence > trust if trust else np.ones(said.score.size, dtype=bool)
    return (side * said.score > edge) & sure'''


def _body(strategy: Strategy, operands: Sequence[Operand]) -> list[str]:
    """The statements of `_signals` after its first ones."""
    rungs = sorted({one.timeframe for one in operands if one.timeframe})
    lines: list[str] = []
    if rungs or strategy.learners:
        lines.append(f"    higher = {{{', '.join(f'{rung}: higher_bars(bars, {rung})' for rung in rungs)}}}")
    if strategy.learners:
        lines.append(f"    said = [{', '.join(f'learner_{n}(bars, higher)' for n in range(len(strategy.learners)))}]")
    sides = {"long": strategy, "short": None} if strategy.direction != "short" else {"long": None, "short": strategy}
    if strategy.direction == "both":
        sides["short"] = strategy_of(mirror(phenotype_of(strategy)[None, :])[0])
    for side, rules in sides.items():
        sign = 1 if side == "long" else -1
        lines += _entry_lines(side, sign, rules) + _exit_lines(side, rules)
    return [*lines, f"    scale = {_scale(strategy)}"]


def _entry_lines(side: str, sign: int, strategy: Strategy | None) -> list[str]:
    name = f"{side}_entry"
    votes = [] if strategy is None else [line for one in strategy.entry.conditions for line in vote_lines(one)]
    voting = [] if strategy is None else [(n, one) for n, one in enumerate(strategy.learners) if one.weight]
    if strategy is None or not (votes or voting):
        return [f"    {name} = {_NOTHING}"]
    against: list[str] = []
    for number, one in voting:
        terms = f"said[{number}], {one.edge!r}, {one.trust!r}"
        votes.append(f"            ({one.weight}, votes_for({sign}, {terms})),")
        against.append(f"votes_for({-sign}, {terms})")
        if strategy.conflict == "net":
            votes.append(f"            ({-one.weight}, {against[-1]}),")
    lines = [f"    {name} = at_least(", f"        {strategy.entry.needed},", "        [", *votes, "        ],",
             "        n_bars,", "    )"]  # fmt: skip
    if strategy.conflict == "veto":
        lines += [f"    {name} = {name} & ~{other}" for other in against]
    return lines + [f"    {name} = {name} & {truth_text(gate)}" for gate in gates_of(strategy)]


def _exit_lines(side: str, strategy: Strategy | None) -> list[str]:
    name = f"{side}_exit"
    if strategy is None or not strategy.exit.conditions:
        return [f"    {name} = {_NOTHING}"]
    votes = [line for one in strategy.exit.conditions for line in vote_lines(one)]
    return [f"    {name} = at_least(", f"        {strategy.exit.needed},", "        [", *votes, "        ],",
            "        n_bars,", "    )"]  # fmt: skip


def _scale(strategy: Strategy) -> str:
    """The expression of what sizes that depend on the bar are multiplied with."""
    if strategy.size.kind == "volatility":
        return "inverse_volatility(bars.close, bars_per_year)"
    if strategy.size.kind != "confidence" or not strategy.learners:
        return "None" if strategy.size.kind != "confidence" else "np.full(n_bars, np.nan)"
    weights = [float(one.weight) for one in strategy.learners]
    weights = weights if any(weights) else [1.0] * len(weights)
    shares = [weight / sum(weights) for weight in weights]
    terms = [f"{share!r} * said[{n}].confidence" for n, share in enumerate(shares) if share > 0.0]
    return " + ".join(["0.0", *terms])


def literal(value: object) -> str:
    """Return plain JSON values as a Python literal, in lines that fit."""
    return pprint.pformat(value, width=100, sort_dicts=False)
