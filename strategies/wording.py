"""Strategies as sentences: "long when RSI(14) < 31.2 and close > SMA(200); stop 2.1 ATR; size 50 % of equity"."""

from strategies.catalogue import SOURCES, catalogue, kind_index, level_unit_of
from strategies.learners.table import ALGORITHMS
from strategies.strategy import Condition, Distance, Learner, Operand, Rule, Size, Strategy

Voters = tuple[tuple[int, Learner], ...]
"""Learners, each with its slot."""

_SIDES = {"long": "long", "short": "short", "both": "long (short on the mirrored rule)"}
_CONFLICTS = {
    "votes": "",
    "net": "; votes of learners for the other side are subtracted",
    "veto": "; no entry against a confident learner",
}
_OF = {
    "fixed": "of equity",
    "risk": "of equity at risk",
    "volatility": "volatility a year",
    "confidence": "of equity times the learners' confidence",
    "kelly": "of Kelly's fraction",
}


def operand_text(operand: Operand) -> str:
    """Return `RSI(14)`, `SMA(volume, 20)`, `MACD(12, 26, 9).macdsignal` or `close`.

    A lag reads `2 bars ago`, a higher timeframe `[+1]`, the score of the first learner `LEARNER(0).score`.
    """
    if operand.kind == "PRICE":
        text = operand.source or "close"
    else:
        function, _, output = operand.kind.partition(".")
        source = [] if operand.source in {None, "close"} else [str(operand.source)]
        arguments = ", ".join(source + [f"{value:g}" for value in operand.parameters])
        text = function + (f"({arguments})" if arguments else "") + (f".{output}" if output else "")
    if operand.timeframe:
        text += f" [+{operand.timeframe}]"
    if not operand.lag:
        return text
    return f"{text} {operand.lag} bar{'s' if operand.lag > 1 else ''} ago"


def condition_text(condition: Condition) -> str:
    """Return `close > SMA(200)`; a negated condition reads `not (…)`, a flag `CDLHAMMER is up`."""
    kind = kind_index(condition.left.kind)
    text = f"{operand_text(condition.left)} {condition.comparator} "
    if condition.right is not None:
        text += operand_text(condition.right)
    elif catalogue()[kind].level_steps == 1 and 0.0 < abs(condition.level or 0.0) < 1.0:
        text = _flag_text(condition)
    else:
        unit = level_unit_of(kind, SOURCES.index(condition.left.source or "close"))
        text += f"{condition.level:g}"
        text += f" {unit}" if unit else ""
    return f"not ({text})" if condition.negate else text


def _flag_text(condition: Condition) -> str:
    """A flag is 1 (up), -1 (down) or 0: its two levels lie between. Another, in a file, is told as a number."""
    high = (condition.level or 0.0) > 0.0
    words = {
        (">", True): "is up",
        ("<", True): "is not up",
        (">", False): "is not down",
        ("<", False): "is down",
        ("crosses above", True): "turns up",
        ("crosses below", True): "is up no more",
        ("crosses above", False): "is down no more",
        ("crosses below", False): "turns down",
    }
    return f"{operand_text(condition.left)} {words[condition.comparator, high]}"


def rule_text(rule: Rule, voters: Voters = ()) -> str:
    """Return the votes joined by `and`, `or`, or as `2 of [a; b; c]`; a vote that counts twice reads `2 x a`."""
    weights = [condition.weight for condition in rule.conditions] + [learner.weight for _, learner in voters]
    texts = [condition_text(condition) for condition in rule.conditions]
    texts += [vote_text(slot, learner) for slot, learner in voters]
    if rule.needed >= sum(weights):
        return " and ".join(texts)
    if all(weight >= rule.needed for weight in weights):
        return " or ".join(texts)
    votes = [f"{weight} x {text}" if weight > 1 else text for weight, text in zip(weights, texts, strict=True)]
    return f"{rule.needed} of [{'; '.join(votes)}]"


def vote_text(slot: int, learner: Learner) -> str:
    """Return `learner 0 says so (|score| > 0.1)`: two learners may be of one algorithm."""
    text = f"learner {slot} says so"
    terms = [
        f"{name} > {value:g}" for name, value in (("|score|", learner.edge), ("confidence", learner.trust)) if value
    ]
    return f"{text} ({', '.join(terms)})" if terms else text


def learner_text(learner: Learner) -> str:
    """Return `logistic (rate 0.01, l2 0.01) learns the direction of the next 5 bars from RSI(14), ROC(10)`."""
    names = [hyper.name for hyper in ALGORITHMS[learner.algorithm].hyper]
    hyper = ", ".join(f"{name} {value:g}" for name, value in zip(names, learner.hyper, strict=True))
    bars = f"the next {learner.horizon} bars" if learner.horizon > 1 else "the next bar"
    source = ", ".join(operand_text(feature) for feature in learner.features) or "closes"
    return f"{learner.algorithm} ({hyper}) learns the {learner.target} of {bars} from {source}"


def distance_text(name: str, distance: Distance) -> str:
    """Return `stop 2.1 ATR` or `target 5 %`."""
    return f"{name} {distance.value:g} {'ATR' if distance.kind == 'atr' else '%'}"


def strategy_text(strategy: Strategy) -> str:
    """Return the whole strategy as one line, clauses parted by semicolons."""
    says = rule_text(strategy.entry, voters_of(strategy))
    side = _SIDES[strategy.direction]
    parts = [f"{side} when {says}{_CONFLICTS[strategy.conflict]}" if says else f"{side}: never enters"]
    parts += gate_texts(strategy)
    if strategy.exit.conditions:
        parts.append(f"exit when {rule_text(strategy.exit)}")
    return "; ".join(parts + setting_texts(strategy))


def voters_of(strategy: Strategy) -> Voters:
    """Return the learners that vote, each with its slot."""
    return tuple((slot, learner) for slot, learner in enumerate(strategy.learners) if learner.weight)


def gate_texts(strategy: Strategy) -> list[str]:
    """Return `only where trend is bull`, a text a gate."""
    gates = [("trend", strategy.gate.trend), ("volatility", strategy.gate.volatility)]
    return [f"only where {name} is {value}" for name, value in gates if value != "any"]


def setting_texts(strategy: Strategy) -> list[str]:
    """Return orders, size, breaker and what each learner is, a text each."""
    orders = (("stop", strategy.stop), ("target", strategy.target), ("trailing stop", strategy.trail))
    parts = [distance_text(name, distance) for name, distance in orders if distance is not None]
    if strategy.time_stop:
        parts.append(f"leave after {strategy.time_stop} bar{'s' if strategy.time_stop > 1 else ''}")
    if strategy.cooldown:
        parts.append(f"then wait {strategy.cooldown} bar{'s' if strategy.cooldown > 1 else ''}")
    parts.append(size_text(strategy.size))
    if strategy.breaker is not None:
        parts.append(f"halt {strategy.breaker.rearm} bars after a drawdown of {strategy.breaker.drawdown * 100:g} %")
    return parts + [f"learner {slot}: {learner_text(learner)}" for slot, learner in enumerate(strategy.learners)]


def size_text(size: Size) -> str:
    """Return `size 50 % of equity`."""
    return f"size {size.value * 100:g} % {_OF[size.kind]}"
