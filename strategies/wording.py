"""Strategies as sentences: "long when RSI(14) < 31.2 and close > SMA(200); stop 2.1 ATR; size 50 % of equity"."""

from strategies.catalogue import SOURCES, kind_index, level_unit_of
from strategies.strategy import Condition, Distance, Operand, Rule, Strategy


def operand_text(operand: Operand) -> str:
    """Return `RSI(14)`, `SMA(volume, 20)`, `MACD(12, 26, 9).macdsignal` or `close`, with `, n bars ago` for a lag."""
    if operand.kind == "PRICE":
        text = operand.source or "close"
    else:
        function, _, output = operand.kind.partition(".")
        source = [] if operand.source in {None, "close"} else [str(operand.source)]
        arguments = ", ".join(source + [f"{value:g}" for value in operand.parameters])
        text = function + (f"({arguments})" if arguments else "") + (f".{output}" if output else "")
    if not operand.lag:
        return text
    return f"{text} {operand.lag} bar{'s' if operand.lag > 1 else ''} ago"


def condition_text(condition: Condition) -> str:
    """Return `close > SMA(200)`; a negated condition reads `not (…)`."""
    if condition.right is not None:
        right = operand_text(condition.right)
    else:
        source = SOURCES.index(condition.left.source or "close")
        unit = level_unit_of(kind_index(condition.left.kind), source)
        right = f"{condition.level:g}" + (f" {unit}" if unit else "")
    text = f"{operand_text(condition.left)} {condition.comparator} {right}"
    return f"not ({text})" if condition.negate else text


def rule_text(rule: Rule) -> str:
    """Return the conditions joined by `and`, `or`, or as `2 of [a; b; c]`."""
    texts = [condition_text(condition) for condition in rule.conditions]
    if len(texts) <= 1:
        return "".join(texts)
    if rule.needed == len(texts):
        return " and ".join(texts)
    if rule.needed == 1:
        return " or ".join(texts)
    return f"{rule.needed} of [{'; '.join(texts)}]"


def distance_text(name: str, distance: Distance) -> str:
    """Return `stop 2.1 ATR` or `target 5 %`."""
    return f"{name} {distance.value:g} {'ATR' if distance.kind == 'atr' else '%'}"


def strategy_text(strategy: Strategy) -> str:
    """Return the whole strategy as one line, clauses parted by semicolons."""
    side = {"long": "long", "short": "short", "both": "long (short on the mirrored rule)"}[strategy.direction]
    parts = [f"{side} when {rule_text(strategy.entry)}" if strategy.entry.conditions else f"{side}: never enters"]
    if strategy.exit.conditions:
        parts.append(f"exit when {rule_text(strategy.exit)}")
    orders = (("stop", strategy.stop), ("target", strategy.target), ("trailing stop", strategy.trail))
    parts += [distance_text(name, distance) for name, distance in orders if distance is not None]
    if strategy.time_stop:
        parts.append(f"leave after {strategy.time_stop} bar{'s' if strategy.time_stop > 1 else ''}")
    if strategy.cooldown:
        parts.append(f"then wait {strategy.cooldown} bar{'s' if strategy.cooldown > 1 else ''}")
    percent = strategy.size.value * 100
    of = "of equity" if strategy.size.kind == "fixed" else "of equity at risk"
    parts.append(f"size {percent:g} % {of}")
    return "; ".join(parts)
