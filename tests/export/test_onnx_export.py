"""The ONNX graph decides as the kernel does, bit for bit, over random strategies of every kind."""

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from cluster.export import export_files, export_strategy
from cluster.export.onnx_target import SIGNALS, model_of
from fitness.played import decisions_of
from fitness.reference_rules import learnt, wanted
from fitness.shard import Shard
from strategies.catalogue import catalogue, kind_index
from strategies.encoding import phenotype_of
from strategies.errors import UsageError
from strategies.operand_json import pair_of
from strategies.operands import column
from strategies.strategy import Condition, Operand, Rule, Strategy
from strategies.templates import TEMPLATES
from tests.export.corpus import bank_of, bars, strategies

N_STRATEGIES = 220


def operands_of(strategy: Strategy) -> dict[str, Operand]:
    """The operand of each input, as the metadata of the model tells it."""
    props = {prop.key: prop.value for prop in model_of(strategy).metadata_props}
    return {name: told(one) for name, one in json.loads(props["studbook.inputs"]).items()}


def told(one: dict[str, Any]) -> Operand:
    """The operand that an input is, from plain JSON."""
    kind = catalogue()[kind_index(one["operand"])]
    if one["by"] == "learner":
        return Operand(one["operand"], None, (float(one["slot"]),))
    if one["by"] == "bars":
        return Operand("PRICE", one["column"], (), 0, one["timeframe"])
    values = list(one["parameters"].values())
    places = range(len(values)) if one["by"] == "Studbook" else kind.places
    source = one["inputs"][0] if kind.takes_source else None
    return Operand(one["operand"], source, tuple(values[place] for place in places), one["lag"], one["timeframe"])


def fed(strategy: Strategy, shard: Shard, operands: dict[str, Operand]) -> dict[str, NDArray[np.float64]]:
    """The columns that the model asks for, computed from what its metadata says of them."""
    said = [learnt(learner, shard) for learner in strategy.learners]
    out = {}
    for name, operand in operands.items():
        if operand.kind.startswith("LEARNER"):
            words = said[int(operand.parameters[0])]
            out[name] = words.score if operand.kind.endswith("score") else words.confidence
        else:
            kind, source = pair_of(operand)
            out[name] = column(kind, source, operand.parameters, shard, operand.timeframe)
    return out


def run(data: bytes, columns: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == list(SIGNALS)
    assert {one.name for one in session.get_inputs()} == set(columns)
    return np.array(session.run(list(SIGNALS), columns))


def test_the_graph_is_the_kernel_over_random_strategies() -> None:
    shard, seen = bars(), []
    for strategy in strategies(N_STRATEGIES):
        (data,) = export_files(strategy, "onnx").values()
        columns = fed(strategy, shard, operands_of(strategy))
        ours = decisions_of(phenotype_of(strategy), bank_of(shard)).stacked()
        np.testing.assert_array_equal(run(data, columns), ours, err_msg=strategy.text())
        seen.append(strategy)
    assert {one.direction for one in seen} == {"long", "short", "both"}
    assert {one.conflict for one in seen} == {"votes", "net", "veto"}
    assert any(one.learners for one in seen)
    assert any(one.gate.trend != "any" for one in seen)
    conditions = [one for s in seen for one in (*s.entry.conditions, *s.exit.conditions)]
    assert any(one.negate for one in conditions)
    assert any(one.weight > 1 for one in conditions)
    assert any(one.left.lag for one in conditions)
    assert any(one.left.timeframe for one in conditions)
    assert {one.comparator for one in conditions} == {">", "<", "crosses above", "crosses below"}


@pytest.mark.parametrize("n_bars", [0, 1, 2, 7])
def test_any_number_of_bars_will_do(n_bars: int) -> None:
    operand = Operand("PRICE", "close", ())
    crossing = Condition(operand, "crosses above", replace(operand, lag=3), negate=True)
    strategy = replace(TEMPLATES["sma_cross"], entry=Rule((crossing, replace(crossing, comparator="<")), 1))
    columns = {name: np.linspace(1.0, 2.0, n_bars) for name in operands_of(strategy)}
    (data,) = export_files(strategy, "onnx").values()
    assert run(data, columns).shape == (4, n_bars)


def test_missing_values_make_conditions_false_negated_or_not() -> None:
    shard = bars(n_bars=60)
    operand = Operand("PRICE", "close", ())
    for negate in (False, True):
        condition = Condition(Operand("SMA", "close", (20.0,)), "<", operand, negate=negate)
        strategy = replace(TEMPLATES["sma_cross"], direction="long", entry=Rule((condition,), 1))
        (data,) = export_files(strategy, "onnx").values()
        found = run(data, fed(strategy, shard, operands_of(strategy)))
        np.testing.assert_array_equal(found, wanted(strategy, shard))
        assert not found[0, :19].any()


def test_the_model_carries_the_strategy_and_says_how_inputs_are_computed() -> None:
    strategy = TEMPLATES["macd"]
    model = model_of(strategy, {"passed": False})
    props = {prop.key: prop.value for prop in model.metadata_props}
    assert Strategy.from_json(props["studbook.strategy"]) == strategy
    assert props["studbook.id"] == strategy.id
    assert props["studbook.passed"] == "false"
    inputs = json.loads(props["studbook.inputs"])
    assert set(inputs) == {one.name for one in model.graph.input}
    macd = next(one for name, one in inputs.items() if name.startswith("MACD"))
    assert macd["by"] == "TA-Lib"
    assert macd["function"] == "MACD"
    assert set(macd["parameters"]) == {"fastperiod", "slowperiod", "signalperiod"}


def test_two_operands_whose_texts_are_equal_are_two_inputs() -> None:
    one = Operand("SAR", None, (0.0200001, 0.2))
    other = replace(one, parameters=(0.02000011, 0.2))
    strategy = replace(TEMPLATES["sma_cross"], direction="long", entry=Rule((Condition(one, ">", other),), 1))
    assert len([name for name in operands_of(strategy) if name.startswith("SAR")]) == 2


def test_the_same_strategy_gives_the_same_bytes() -> None:
    assert export_files(TEMPLATES["bollinger"], "onnx") == export_files(TEMPLATES["bollinger"], "onnx")


def test_a_text_of_it_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must be to one of json, .* was to 'onnx', which is a binary file"):
        export_strategy(TEMPLATES["macd"], "onnx")


def test_without_the_package_the_error_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"needs the package onnx, but .*pip install 'studbook\[onnx\]'"):
        export_files(TEMPLATES["macd"], "onnx")
