"""Strategies as an ONNX graph: from the columns of operands to the four signals, the same bits as ours.

What the graph holds is all that a strategy decides: lags, comparisons, crossings, negation, the rule for missing
values, votes and weights, learners' votes against, gates. What it is given are columns: what TA-Lib, our features and
learners compute is no part of it, and is said, input by input, in the model's metadata.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from cluster.export.onnx_graph import Graph
from cluster.export.onnx_inputs import described
from fitness.reference_rules import gates_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import UsageError
from strategies.mirrors import mirror
from strategies.strategy import Learner, Rule, Strategy

OPSET: Final = 18
IR_VERSION: Final = 9
"""The oldest that has the opset: any runtime since 2023 reads it."""
SIGNALS: Final = ("long_entry", "long_exit", "short_entry", "short_exit")


def onnx_files(strategy: Strategy, record: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Return the model as one file, named by the strategy's id.

    Raises:
        UsageError: the package onnx is not installed.
    """
    return {f"{strategy.id}.onnx": model_of(strategy, record).SerializeToString(deterministic=True)}


def model_of(strategy: Strategy, record: Mapping[str, Any] | None = None) -> Any:
    """Return the checked `onnx.ModelProto` of a strategy.

    Every input is float64 `(n_bars,)`, NaN where there is no value, every output bool `(n_bars,)`.

    Raises:
        UsageError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            f"An export to ONNX needs the package onnx, but it was not found ({error}). pip install 'studbook[onnx]'."
        ) from error
    graph = Graph(onnx)
    for name, truth in zip(SIGNALS, _signals(graph, strategy), strict=True):
        graph.give(name, truth)
    model = onnx.helper.make_model(
        graph.built(f"studbook_{strategy.id}", strategy.text()),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="studbook",
        doc_string=strategy.text(),
    )
    onnx.helper.set_model_props(model, _metadata(graph, strategy, record))
    onnx.checker.check_model(model, full_check=True)
    return model


def _metadata(graph: Graph, strategy: Strategy, record: Mapping[str, Any] | None) -> dict[str, str]:
    """What travels along: the strategy, what it is in words, and how each input is computed."""
    inputs = {name: described(operand, strategy) for name, operand in graph.inputs.items()}
    passed = {} if record is None else {"studbook.passed": json.dumps(bool(record.get("passed")))}
    return {
        "studbook.id": strategy.id,
        "studbook.strategy": strategy.to_json(),
        "studbook.text": strategy.text(),
        "studbook.inputs": json.dumps(inputs),
        **passed,
    }


def _signals(graph: Graph, strategy: Strategy) -> tuple[str, ...]:
    """The names of the four truths."""
    own_side = -1 if strategy.direction == "short" else 1
    own = (_entry(graph, strategy, own_side), _rule(graph, strategy.exit))
    never = (graph.never(), graph.never())
    if strategy.direction == "long":
        return *own, *never
    if strategy.direction == "short":
        return *never, *own
    turned = strategy_of(mirror(phenotype_of(strategy)[None])[0])
    return *own, _entry(graph, turned, -1), _rule(graph, turned.exit)


def _rule(graph: Graph, rule: Rule) -> str:
    """Where a rule of conditions alone is true."""
    votes = [(condition.weight, graph.condition(condition)) for condition in rule.conditions]
    return graph.at_least(rule.needed, graph.votes(votes)) if votes else graph.never()


def _entry(graph: Graph, strategy: Strategy, side: int) -> str:
    """Where the entry rule of a side decides to enter: votes, votes against, gates."""
    voters = [(slot, learner) for slot, learner in enumerate(strategy.learners) if learner.weight]
    votes = [(condition.weight, graph.condition(condition)) for condition in strategy.entry.conditions]
    votes += [(learner.weight, _vote(graph, slot, learner, side)) for slot, learner in voters]
    if not votes:
        return graph.never()
    against = [(learner.weight, _vote(graph, slot, learner, -side)) for slot, learner in voters]
    if strategy.conflict == "net":
        votes += [(-weight, truth) for weight, truth in against]
    truth = graph.at_least(strategy.entry.needed, graph.votes(votes))
    if strategy.conflict == "veto":
        for _, vote in against:
            truth = graph.both(truth, graph.neither(vote))
    for gate in gates_of(strategy):
        truth = graph.both(truth, graph.condition(gate))
    return truth


def _vote(graph: Graph, slot: int, learner: Learner, side: int) -> str:
    """Where a learner votes for a side: its score is beyond the edge there, and it is trusted."""
    score = graph.learner("score", slot)
    edge = graph.number(side * learner.edge)
    truth = graph.greater(score, edge) if side > 0 else graph.greater(edge, score)
    if learner.trust == 0.0:
        return truth
    return graph.both(truth, graph.greater(graph.learner("confidence", slot), graph.number(learner.trust)))
