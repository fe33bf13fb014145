"""An operand in a strategy's JSON: read as data, checked to the last field, refused by name."""

from strategies.catalogue import SOURCES, OperandKind, catalogue, kind_index
from strategies.genes import MAX_LAG
from strategies.language import MAX_TIMEFRAME
from strategies.strategy import Operand
from strategies.strategy_json_fields import mapping, name_of, near, real, refuse, whole


def operand_of(data: object, where: str) -> Operand:
    """Return the operand of plain JSON values.

    Raises:
        StrategyError: an unknown key or name, a value out of its range.
    """
    fields = mapping(data, where, ("operand", "source", "parameters", "lag", "timeframe"))
    name = fields["operand"]
    names = tuple(kind.name for kind in catalogue())
    if not isinstance(name, str) or name not in names:
        refuse(
            f"{where}.operand",
            f"must be in the catalogue, but was {name!r:.80}",
            f"correct it{near(str(name), names)}",
        )
    kind = catalogue()[kind_index(name)]
    if kind.takes_source:
        source: str | None = name_of(fields["source"], SOURCES, f"{where}.source")
    else:
        source = None
        if fields["source"] is not None:
            refuse(f"{where}.source", f"must be null for {name}, but was {fields['source']!r:.80}", "remove it")
    lag = whole(fields["lag"], 0, MAX_LAG, f"{where}.lag")
    parameters = _parameters(fields["parameters"], kind, f"{where}.parameters")
    most = 0 if kind.family == "learner" else MAX_TIMEFRAME
    return Operand(name, source, parameters, lag, whole(fields["timeframe"], 0, most, f"{where}.timeframe"))


def _parameters(data: object, kind: OperandKind, where: str) -> tuple[float, ...]:
    fields = mapping(data, where, [parameter.name for parameter in kind.parameters])
    values = []
    for parameter in kind.parameters:
        low, high = parameter.grid[0], parameter.grid[-1]
        place = f"{where}.{parameter.name}"
        values.append(
            float(whole(fields[parameter.name], int(low), int(high), place))
            if parameter.integer
            else real(fields[parameter.name], low, high, place)
        )
    return tuple(values)


def pair_of(operand: Operand) -> tuple[int, int]:
    """Return (kind, source) as indexes; kinds without a source count as reading `close`."""
    return kind_index(operand.kind), SOURCES.index(operand.source or "close")
