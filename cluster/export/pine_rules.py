"""Conditions and votes as lines of Pine: operands are computed once, at every bar, and compared where all are known."""

from dataclasses import replace

from cluster.export.pine_operands import expression_of
from strategies.catalogue import PERCENT_OF_CLOSE, level_unit_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.mirrors import mirror
from strategies.operand_json import pair_of
from strategies.strategy import Condition, Operand, Rule, Strategy
from strategies.wording import condition_text, operand_text

SIGNALS = {"long_entry": "longEntry", "long_exit": "longExit", "short_entry": "shortEntry", "short_exit": "shortExit"}


def sides_of(strategy: Strategy) -> dict[str, Rule]:
    """Return the rule of each of the four signals; a rule without conditions is never true."""
    never = Rule()
    if strategy.direction == "long":
        return {"long_entry": strategy.entry, "long_exit": strategy.exit, "short_entry": never, "short_exit": never}
    if strategy.direction == "short":
        return {"long_entry": never, "long_exit": never, "short_entry": strategy.entry, "short_exit": strategy.exit}
    turned = strategy_of(mirror(phenotype_of(strategy)[None, :])[0])
    long = {"long_entry": strategy.entry, "long_exit": strategy.exit}
    return {**long, "short_entry": turned.entry, "short_exit": turned.exit}


class Lines:
    """The lines of the four signals.

    Attributes:
        operands: the name of the series of each operand, without its lag, in order of appearance.
        lines: what has been written.
    """

    def __init__(self) -> None:
        self.operands: dict[Operand, str] = {}
        self.lines: list[str] = []
        self._series: list[str] = []
        self._conditions: dict[Condition, str] = {}

    def signal(self, name: str, rule: Rule) -> None:
        """Write one signal."""
        votes = []
        for condition in rule.conditions:
            truth = self._condition(condition)
            votes.append(truth if condition.weight == 1 else f"{truth}, {condition.weight}")
        if not votes:
            self.lines.append(f"bool {SIGNALS[name]} = false")
            return
        weights = [condition.weight for condition in rule.conditions]
        named = [vote.partition(",")[0] for vote in votes]
        if rule.needed >= sum(weights) and rule.needed == sum(weights):
            text = " and ".join(named)
        elif all(weight >= rule.needed for weight in weights):
            text = " or ".join(named)
        else:
            counted = [f"({one} ? {weight} : 0)" for one, weight in zip(named, weights, strict=True)]
            text = f"{' + '.join(counted)} >= {rule.needed}"
        self.lines.append(f"bool {SIGNALS[name]} = {text}")

    def series(self) -> list[str]:
        """Return the lines that compute the operands."""
        return self._series

    def _condition(self, condition: Condition) -> str:
        bare = replace(condition, weight=1)
        if bare not in self._conditions:
            self._conditions[bare] = f"holds{len(self._conditions) + 1}"
            self.lines += [f"// {condition_text(bare)}", f"bool {self._conditions[bare]} = {self._truth(bare)}"]
        return self._conditions[bare]

    def _truth(self, condition: Condition) -> str:
        """The expression of a condition: every value known, and the comparison, or not."""
        upward = condition.comparator in (">", "crosses above")
        sign = ">" if upward else "<"
        truth, known = self._compared(condition, sign, 0)
        if condition.comparator.startswith("crosses"):
            before, also = self._compared(condition, sign, 1)
            truth, known = f"{truth} and not ({before})", known + also
        known_text = " and ".join(f"not na({value})" for value in dict.fromkeys(known))
        if condition.negate:
            return f"{known_text} and not ({truth})"
        return f"{known_text} and {truth}"

    def _compared(self, condition: Condition, sign: str, ago: int) -> tuple[str, list[str]]:
        """The comparison some bars ago, and the values that it needs."""
        left = self._value(condition.left, ago)
        if condition.right is not None:
            right = self._value(condition.right, ago)
            return f"{left} {sign} {right}", [left, right]
        level = number(condition.level or 0.0)
        if level_unit_of(*pair_of(condition.left)) == PERCENT_OF_CLOSE:
            close = f"close[{ago}]" if ago else "close"
            return f"{left} {sign} {level} * ({close} / 100.0)", [left, close]
        return f"{left} {sign} {level}", [left]

    def _value(self, operand: Operand, ago: int) -> str:
        """An operand some bars before its own lag."""
        now = replace(operand, lag=0)
        if operand.kind == "PRICE":
            name = operand.source or "close"
        elif now in self.operands:
            name = self.operands[now]
        else:
            name = self.operands[now] = f"x{len(self.operands) + 1}"
            self._series += [f"// {operand_text(now)}", f"float {name} = {expression_of(now)}"]
        ago += operand.lag
        return f"{name}[{ago}]" if ago else name


def number(value: float) -> str:
    """Return a float as Pine reads it, to the last bit."""
    return repr(float(value))
