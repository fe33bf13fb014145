"""A strategy written in Python, with what the contract asks for beyond `decide`; modules.py loads it."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np

from strategies.contract import METRICS, AnyStrategy, Decisions, MarketBars, Parameter, Requires, RiskPlan
from strategies.errors import StrategyError

SCHEMA: Final = "studbook/module/1"


@dataclass(frozen=True)
class HandWritten:
    """A strategy written in Python, with what the contract asks for beyond `decide`.

    Attributes:
        rule: the author's object.
        origin: the module that it came from.
    """

    rule: Any
    origin: str

    @property
    def name(self) -> str:
        """The rule's `name`, or the last part of the module's."""
        return str(getattr(self.rule, "name", "") or Path(self.origin).name.removesuffix(".py").rpartition(".")[2])

    @property
    def requires(self) -> Requires:
        """The rule's `requires`; any bars, without."""
        return cast("Requires", getattr(self.rule, "requires", Requires()))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The numbers, names and switches among the fields of the rule, with the bounds of their metadata."""
        if not is_dataclass(self.rule):
            return {}
        return {
            field.name: Parameter(getattr(self.rule, field.name), field.metadata.get("low"), field.metadata.get("high"))
            for field in fields(self.rule)
            if field.init
            and field.name not in _OWN
            and isinstance(getattr(self.rule, field.name), bool | int | float | str)
        }

    @property
    def dna(self) -> None:
        """None: code is no genome."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The rule's `metrics`; the usual ones, without."""
        return cast("tuple[str, ...]", getattr(self.rule, "metrics", METRICS))

    @property
    def risk(self) -> RiskPlan:
        """The rule's `risk`; a stop of 10 % and all equity, without."""
        return cast("RiskPlan", getattr(self.rule, "risk", RiskPlan()))

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 of its JSON: of name, parameters and risk, not of its code."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def text(self) -> str:
        """The first line of the rule's docstring, the parameters, and the risk."""
        lines = (type(self.rule).__doc__ or "").strip().splitlines()
        first = "" if not lines or lines[0].startswith(f"{type(self.rule).__name__}(") else lines[0].rstrip(".")
        values = ", ".join(f"{name} {_shown(one.value)}" for name, one in self.parameters.items())
        said = f"{self.name}: {first}" if first else self.name
        return f"{said}{f' ({values})' if values else ''}; {self.risk.text()}"

    def decide(self, bars: MarketBars, /) -> Decisions:
        """What the rule decides; `contract.checked_decisions` checks it."""
        return cast("Decisions", self.rule.decide(bars))

    def to_json(self) -> str:
        """Name, parameters and risk as canonical JSON; the code is not in it."""
        values = {
            "schema": SCHEMA,
            "module": self.name,
            "parameters": {name: one.value for name, one in self.parameters.items()},
            "risk": self.risk.to_dict(),
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def from_json(self, text: str) -> Self:
        """This rule with the parameters that `text` gives. JSON names no code to be loaded: the module must be, before.

        Raises:
            StrategyError: not JSON, of another module or risk, or a parameter of another name, type or range.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StrategyError(f"{self.name} is not JSON: {error}. Export the strategy again.") from None
        found = self.with_parameters(_parameters_of(values, self.name))
        if json.loads(found.to_json()) != values:
            raise StrategyError(
                f"JSON of {self.name} must have the schema and the risk of its module, but had others: {text:.80}. "
                "Load the module that wrote it."
            )
        return found

    def with_parameters(self, values: Mapping[str, object]) -> Self:
        """This rule with other values of its parameters.

        Raises:
            StrategyError: a parameter of another name or type, or out of its range.
        """
        known = self.parameters
        for name, value in values.items():
            if name not in known:
                raise StrategyError(f"A parameter of {self.name} must be one of {', '.join(known)}, but was {name!r}.")
            check_parameter(self.name, name, value, known[name])
        return replace(self, rule=replace(self.rule, **values)) if values else self

    def mutate(self, _rng: np.random.Generator) -> AnyStrategy:
        """Refuse.

        Raises:
            StrategyError: always.
        """
        raise only_genomes(self.name, "mutate")

    def cross(self, _other: AnyStrategy, _rng: np.random.Generator) -> AnyStrategy:
        """Refuse.

        Raises:
            StrategyError: always.
        """
        raise only_genomes(self.name, "be crossed")


_OWN: Final = frozenset(("name", "requires", "risk", "metrics"))


def only_genomes(name: str, verb: str) -> StrategyError:
    """Return the error of a strategy without a genome that was asked to evolve."""
    return StrategyError(
        f"Only genomes evolve: a strategy must have DNA to {verb}, but {name} has none. "
        "Write the rule as a template in the grammar of the gene table to breed from it."
    )


def _parameters_of(values: object, name: str) -> Mapping[str, object]:
    if isinstance(values, dict) and values.get("module") == name and isinstance(values.get("parameters"), dict):
        return cast("Mapping[str, object]", values["parameters"])
    raise StrategyError(
        f"JSON of {name} must name it as its module and have parameters, but was {values!r:.80}. "
        "Load the module that wrote it."
    )


def check_parameter(where: str, name: str, value: object, known: Parameter) -> None:
    """Raise a `StrategyError` if a value is not of the type of a parameter, or not within its bounds."""
    kind = type(known.value)
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise StrategyError(f"`{name}` of {where} must be a {kind.__name__}, but was {value!r:.80}: correct it.")
    low, high = known.low, known.high
    if isinstance(value, int | float) and not ((low is None or value >= low) and (high is None or value <= high)):
        bounds = f"from {'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
        raise StrategyError(f"`{name}` of {where} must be {bounds}, but was {value!r}: correct it.")


def _shown(value: float | str | bool) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
