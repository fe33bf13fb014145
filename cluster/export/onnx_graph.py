"""An ONNX graph under construction: nodes that are made once, inputs that are operands."""

from dataclasses import replace
from typing import Any, Final

from strategies.catalogue import PERCENT_OF_CLOSE, level_unit_of
from strategies.operand_json import pair_of
from strategies.strategy import Condition, Operand
from strategies.wording import operand_text

N_BARS: Final = "n_bars"
CLOSE: Final = Operand("PRICE", "close", ())


class Graph:
    """Nodes, constants and inputs; a node with the same operator and inputs is made once.

    Attributes:
        inputs: the operand of each input, by name.
    """

    def __init__(self, onnx: Any) -> None:
        self.inputs: dict[str, Operand] = {}
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._made: dict[tuple[Any, ...], str] = {}

    def condition(self, condition: Condition) -> str:
        """Return the truth of a condition; false wherever a value that it needs is missing."""
        left, right = self.operand(condition.left), self._right(condition)
        is_level = right in self._constants
        upward = condition.comparator in (">", "crosses above")
        truth, values = self._compare(left, right, upward=upward), [left, right]
        if condition.comparator.startswith("crosses"):
            before = [self.back(left, 1), right if is_level else self.back(right, 1)]
            truth = self.both(truth, self.neither(self._compare(*before, upward=upward)))
            values += before
        if condition.negate:
            truth = self.neither(truth)
        for value in values:
            truth = truth if value in self._constants else self.both(truth, self._known(value))
        return truth

    def _compare(self, left: str, right: str, *, upward: bool) -> str:
        return self.greater(left, right) if upward else self.greater(right, left)

    def _right(self, condition: Condition) -> str:
        """What stands right of a comparator: an operand, or a level, which may be counted in per cent of the close."""
        if condition.right is not None:
            return self.operand(condition.right)
        level = self.number(condition.level or 0.0)
        if level_unit_of(*pair_of(condition.left)) != PERCENT_OF_CLOSE:
            return level
        return self._node("Mul", level, self._node("Div", self.operand(CLOSE), self.number(100.0)))

    def operand(self, operand: Operand) -> str:
        """Return the values of an operand, lag included; what it reads at lag 0 is an input."""
        now = replace(operand, lag=0)
        return self.back(self._input(now), operand.lag)

    def learner(self, output: str, slot: int) -> str:
        """Return what the learner at `slot` says: `score` or `confidence`."""
        return self._input(Operand(f"LEARNER.{output}", None, (float(slot),)))

    def _input(self, operand: Operand) -> str:
        text = name = operand_text(operand)
        number = 1
        while self.inputs.setdefault(name, operand) != operand:  # six digits of a parameter may be those of another
            number += 1
            name = f"{text} #{number}"
        return name

    def back(self, values: str, lag: int) -> str:
        """Return the values as they were `lag` bars ago, NaN before the first."""
        if not lag:
            return values
        pads, end = self._integers((lag, 0)), self._integers((-lag,))
        longer = self._node("Pad", values, pads, self.number(float("nan")))
        return self._node("Slice", longer, self._integers((0,)), end)

    def votes(self, votes: list[tuple[int, str]]) -> str:
        """Return the sum of the weights of what is true at each bar; at least one."""
        total = ""
        for weight, truth in votes:
            vote = self._node("Cast", truth, to=self._onnx.TensorProto.INT64)
            vote = vote if weight == 1 else self._node("Mul", vote, self._integers((weight,)))
            total = self._node("Add", total, vote) if total else vote
        return total

    def at_least(self, needed: int, votes: str) -> str:
        """Return where there are at least `needed` votes."""
        return self._node("GreaterOrEqual", votes, self._integers((needed,)))

    def never(self) -> str:
        """Return what is true at no bar."""
        close = self.operand(CLOSE)
        return self.greater(close, close)

    def greater(self, left: str, right: str) -> str:
        """Return where `left` is above `right`; false beside NaN."""
        return self._node("Greater", left, right)

    def both(self, one: str, other: str) -> str:
        """Return where both are true."""
        return self._node("And", one, other)

    def neither(self, truth: str) -> str:
        """Return where it is not true."""
        return self._node("Not", truth)

    def _known(self, values: str) -> str:
        return self._node("Not", self._node("IsNaN", values))

    def number(self, value: float) -> str:
        """Return a float64 constant, `(1,)` unless it pads, which wants a scalar."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        shape = [] if value != value else [1]
        name = f"number {value!r}"
        self._constants.setdefault(name, helper.make_tensor(name, kinds.DOUBLE, shape, [value]))
        return name

    def _integers(self, values: tuple[int, ...]) -> str:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        name = f"integers {values}"
        self._constants.setdefault(name, helper.make_tensor(name, kinds.INT64, [len(values)], list(values)))
        return name

    def _node(self, operator: str, *inputs: str, **attributes: int) -> str:
        key = (operator, *inputs, *attributes.items())
        if key not in self._made:
            self._made[key] = f"{operator} {len(self._nodes)}"
            node = self._onnx.helper.make_node(operator, list(inputs), [self._made[key]], **attributes)
            self._nodes.append(node)
        return self._made[key]

    def give(self, name: str, truth: str) -> None:
        """Make `truth` an output of the graph."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [truth], [name]))
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        self._outputs.append(helper.make_tensor_value_info(name, kinds.BOOL, [N_BARS]))

    def built(self, name: str, text: str) -> Any:
        """Return the `GraphProto`."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inputs = [helper.make_tensor_value_info(one, kinds.DOUBLE, [N_BARS]) for one in self.inputs]
        constants = list(self._constants.values())
        return helper.make_graph(self._nodes, name, inputs, self._outputs, constants, doc_string=text)
