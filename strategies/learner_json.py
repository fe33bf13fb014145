"""The learners of a strategy's JSON: read as data, checked to the last field, refused by name."""

from collections.abc import Sequence

from strategies.catalogue import catalogue, kind_index
from strategies.genes import MAX_WEIGHT, N_LEARNERS
from strategies.learners.table import ALGORITHMS, HORIZONS, MAX_FEATURES, TARGETS
from strategies.operand_json import operand_of
from strategies.strategy import Condition, Learner
from strategies.strategy_json_fields import mapping, name_of, real, refuse, whole

_KEYS = ("algorithm", "target", "horizon", "hyper", "features", "weight", "edge", "trust")


def learners_of(data: object, where: str) -> tuple[Learner, ...]:
    """Return the learners of a list of plain JSON values.

    Raises:
        StrategyError: an unknown key or name, a value out of its range, too many of them.
    """
    if not isinstance(data, list) or len(data) > N_LEARNERS:
        refuse(where, f"must be a list of at most {N_LEARNERS}, but was {data!r:.80}", "shorten it")
    return tuple(_learner(row, f"{where}[{number}]") for number, row in enumerate(data))


def check_slots(learners: Sequence[Learner], conditions: Sequence[Condition], where: str) -> None:
    """Refuse a condition that reads a learner that isn't there, and a learner that nobody asks.

    Raises:
        StrategyError: either.
    """
    asked = {slot for slot, learner in enumerate(learners) if learner.weight}
    for condition in conditions:
        for operand in (condition.left, condition.right):
            if operand is None or catalogue()[kind_index(operand.kind)].family != "learner":
                continue
            slot = int(operand.parameters[0])
            if slot >= len(learners):
                refuse(where, f"must have the learner {slot} that a condition reads, but has {len(learners)}", "add it")
            asked.add(slot)
    for slot in range(len(learners)):
        if slot not in asked:
            refuse(f"{where}: learners[{slot}]", "must vote or be read by a condition, but isn't", "remove it")


def _learner(data: object, where: str) -> Learner:
    fields = mapping(data, where, _KEYS)
    name = name_of(fields["algorithm"], tuple(ALGORITHMS), f"{where}.algorithm")
    algorithm, rows = ALGORITHMS[name], fields["features"]
    if not isinstance(rows, list) or len(rows) > MAX_FEATURES:
        refuse(f"{where}.features", f"must be a list of at most {MAX_FEATURES}, but was {rows!r:.80}", "shorten it")
    if bool(rows) != algorithm.uses_features:
        rule = "must hold at least one" if algorithm.uses_features else f"must be empty for {name}"
        refuse(f"{where}.features", f"{rule}, but holds {len(rows)}", "correct it")
    hyper = mapping(fields["hyper"], f"{where}.hyper", [known.name for known in algorithm.hyper])
    features = tuple(operand_of(row, f"{where}.features[{number}]") for number, row in enumerate(rows))
    for number, feature in enumerate(features):
        if catalogue()[kind_index(feature.kind)].family == "learner":
            refuse(f"{where}.features[{number}]", f"must be no learner, but was {feature.kind}", "choose another")
    weight = whole(fields["weight"], 0, MAX_WEIGHT, f"{where}.weight")
    most = 1.0 if weight else 0.0
    return Learner(
        algorithm=name,
        target=name_of(fields["target"], TARGETS, f"{where}.target"),
        horizon=whole(fields["horizon"], int(HORIZONS[0]), int(HORIZONS[-1]), f"{where}.horizon"),
        hyper=tuple(
            real(hyper[known.name], known.grid[0], known.grid[-1], f"{where}.hyper.{known.name}")
            for known in algorithm.hyper
        ),
        features=features,
        weight=weight,
        edge=real(fields["edge"], 0.0, most, f"{where}.edge"),
        trust=real(fields["trust"], 0.0, most, f"{where}.trust"),
    )
