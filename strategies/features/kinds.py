"""What features and learners declare of themselves, as the operand kinds and mirrors of the catalogue."""

from collections.abc import Iterable
from typing import Final

from strategies.features.feature import Feature, Output
from strategies.operand_kind import FADING, LEVEL_ONLY, LEVEL_STEPS, NUMBER, Mirror, OperandKind, Parameter
from strategies.scales import Scale

LEARNER: Final = "LEARNER"
"""The function of the operands that read a learner of the same strategy; the bank computes them."""


def kinds_of(features: Iterable[Feature]) -> tuple[OperandKind, ...]:
    """An operand kind for each output of each feature, in order."""
    return tuple(_kind(feature, place, output) for feature in features for place, output in enumerate(feature.outputs))


def mirrors_of(features: Iterable[Feature], first: int) -> tuple[Mirror, ...]:
    """The mirror of each of `kinds_of(features)`, the first of which is kind `first` of the catalogue."""
    found: list[Mirror] = []
    for feature in features:
        start = first + len(found)
        places = {output.name: start + place for place, output in enumerate(feature.outputs)}
        found += [Mirror(places[output.mirror or output.name], output.flips) for output in feature.outputs]
    return tuple(found)


def _kind(feature: Feature, place: int, output: Output) -> OperandKind:
    return OperandKind(
        name=feature.name if len(feature.outputs) == 1 else f"{feature.name}.{output.name}",
        function=feature.name,
        output=place,
        takes_source=False,
        parameters=feature.parameters,
        scale=output.scale,
        level_range=output.level_range,
        level_unit=output.level_unit,
        volume_range=None,
        peers=LEVEL_ONLY if output.level_steps < LEVEL_STEPS else output.peers,
        memory=feature.memory,
        is_index=False,
        defaults=tuple(parameter.default for parameter in feature.parameters),
        places=tuple(range(len(feature.parameters))),
        family=feature.family,
        level_steps=output.level_steps,
        requires=feature.requires,
        intraday=feature.intraday,
    )


def _learner_kind(place: int, name: str, level_range: tuple[float, float]) -> OperandKind:
    return OperandKind(
        name=f"{LEARNER}.{name}",
        function=LEARNER,
        output=place,
        takes_source=False,
        parameters=(Parameter("slot", 0.0, (0.0, 1.0), True),),
        scale=Scale(0.0, 0.0, False),
        level_range=level_range,
        level_unit="",
        volume_range=None,
        peers=NUMBER,
        memory=FADING,
        is_index=False,
        defaults=(0.0,),
        places=(0,),
        family="learner",
    )


LEARNER_KINDS: Final = (_learner_kind(0, "score", (-0.3, 0.3)), _learner_kind(1, "confidence", (0.0, 0.1)))
"""Scores lie in [-1, 1], confidences in [0, 1]; on a market they hardly ever go beyond these levels."""


def learner_mirrors(first: int) -> tuple[Mirror, ...]:
    """The mirrors of `LEARNER_KINDS`, the first of which is kind `first`: a score turns round, a confidence stays."""
    return Mirror(first, True), Mirror(first + 1, False)
