"""Strategy JSON is read as data and refused by name; the wording says what the rules are."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.errors import StrategyError
from strategies.strategy import Condition, Distance, Operand, Rule, Size, Strategy
from strategies.strategy_json import strategy_from_json
from strategies.templates import TEMPLATES

RSI = TEMPLATES["rsi_reversion"]


def changed(**fields):
    return json.dumps(RSI.to_dict() | fields)


def with_condition(**fields):
    data = RSI.to_dict()
    data["entry"]["conditions"][0] |= fields
    return json.dumps(data)


def with_left(**fields):
    data = RSI.to_dict()
    data["entry"]["conditions"][0]["left"] |= fields
    return json.dumps(data)


LEARNER = {
    "algorithm": "logistic",
    "target": "direction",
    "horizon": 5,
    "hyper": {"rate": 0.01, "l2": 0.01},
    "features": [{"operand": "RSI", "source": "close", "parameters": {"timeperiod": 14}, "lag": 0, "timeframe": 0}],
    "weight": 1,
    "edge": 0.1,
    "trust": 0,
}
READS_A_LEARNER = {"operand": "LEARNER.score", "source": None, "parameters": {"slot": 0}, "lag": 0, "timeframe": 0}
CLOSE = {"operand": "PRICE", "source": "close", "parameters": {}, "lag": 0, "timeframe": 0}
HAMMER = {"operand": "CDLHAMMER", "source": None, "parameters": {}, "lag": 0, "timeframe": 0}


def refusal_of(text):
    """The text of the error, or None where the damage left a valid strategy."""
    try:
        strategy_from_json(text)
    except StrategyError as error:
        return str(error)
    return None


def test_json_is_canonical_and_comes_back():
    text = RSI.to_json()
    assert Strategy.from_json(text) == RSI
    assert Strategy.from_json(json.dumps(json.loads(text), indent=3)).to_json() == text
    assert Strategy.from_json(text).id == RSI.id


def test_known_id_stays():
    """The identity of a released strategy never changes; if this fails, the schema needs a new version."""
    assert RSI.id == "ef4da477d503227a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object, but was"),
        (changed(schema="studbook/strategy/9"), "schema must be 'studbook/strategy/2', but was 'studbook/strategy/9'"),
        (changed(direction="up"), "direction must be one of long, short, both, but was 'up'"),
        (changed(cooldwn=3), "has no key 'cooldwn'.*did you mean cooldown"),
        (changed(time_stop=-1), "time_stop must be a whole number from 0"),
        (changed(time_stop=True), "time_stop must be a whole number from 0"),
        (changed(size={"kind": "fixed", "value": "all"}), "size.value must be a number from"),
        (changed(size={"kind": "risk", "value": 0.01}, stop=None), "size.kind must be 'fixed' without a stop"),
        (changed(stop={"kind": "atr"}), "stop must have the key 'value'"),
        (changed(entry={"needed": 0, "conditions": []}), "entry.conditions must hold at least one condition"),
        (changed(entry=RSI.to_dict()["entry"] | {"needed": 3}), "entry.needed must be a whole number from 1 to 2"),
        (with_left(operand="RSl"), "operand must be in the catalogue, but was 'RSl'.*RSI"),
        (with_left(lag=21), "lag must be a whole number from 0 to 20, but was 21"),
        (with_left(parameters={"timeperiod": 14.5}), "parameters.timeperiod must be a whole number"),
        (with_left(parameters={}), "parameters must have the key 'timeperiod'"),
        (with_condition(level=None), "must have exactly one of right and level"),
        (with_condition(comparator="≈"), "comparator must be one of >, <, crosses above, crosses below"),
        (with_condition(level=1e400), "level must be a number"),
        (
            with_condition(level=None, right=CLOSE),
            "must compare values of one scale, but compares RSI with PRICE",
        ),
        (
            with_condition(left=CLOSE),
            "must compare PRICE with an operand, but compares it with a level",
        ),
        (with_left(timeframe=3), "timeframe must be a whole number from 0 to 2, but was 3"),
        (with_condition(weight=4), "weight must be a whole number from 1 to 3, but was 4"),
        (changed(conflict="veto"), "conflict must be 'votes' where no learner votes, but was 'veto'"),
        (changed(size={"kind": "confidence", "value": 0.5}), "size.kind must not be 'confidence' without learners"),
        (changed(gate={"trend": "bul", "volatility": "any"}), "gate.trend must be one of any, bull.*did you mean bull"),
        (changed(breaker={"drawdown": 0.1, "rearm": 0}), "breaker.rearm must be a whole number from 1"),
        (changed(learners=[LEARNER] * 3), "learners must be a list of at most 2"),
        (changed(learners=[LEARNER | {"weight": 0, "edge": 0}]), r"learners\[0\] must vote or be read by a condition"),
        (changed(learners=[LEARNER | {"weight": 0}]), r"learners\[0\].edge must be a number from 0 to 0, but was 0.1"),
        (changed(learners=[LEARNER | {"algorithm": "logistik"}]), "algorithm must be one of.*did you mean logistic"),
        (changed(learners=[LEARNER | {"features": []}]), "features must hold at least one, but holds 0"),
        (changed(learners=[LEARNER | {"hyper": {"rate": 0.01}}]), "hyper must have the key 'l2'"),
        (changed(learners=[LEARNER | {"hyper": {"rate": 5, "l2": 0.01}}]), "hyper.rate must be a number from 0.001"),
        (changed(learners=[LEARNER | {"features": [READS_A_LEARNER]}]), "must be no learner, but was LEARNER.score"),
        (with_condition(left=READS_A_LEARNER, level=0.0), "must have the learner 0 that a condition reads, but has 0"),
        (
            with_condition(left=READS_A_LEARNER | {"timeframe": 1}, level=0.0),
            "timeframe must be a whole number from 0 to 0, but was 1",
        ),
        (
            with_condition(left=HAMMER, right=HAMMER | {"lag": 1}, level=None),
            "must compare CDLHAMMER with a level, but compares it with CDLHAMMER",
        ),
        (
            with_condition(level=None, right=RSI.to_dict()["entry"]["conditions"][0]["left"]),
            "must compare two values, but compares RSI with itself",
        ),
    ],
)
def test_damage_is_refused_by_name(text, message):
    with pytest.raises(StrategyError, match=message):
        strategy_from_json(text, "elite.json")


def test_a_strategy_of_the_first_schema_is_refused_for_its_schema():
    """Not for the keys that it could not know."""
    data = {
        key: value for key, value in RSI.to_dict().items() if key not in ("learners", "conflict", "gate", "breaker")
    }
    with pytest.raises(StrategyError, match="schema must be 'studbook/strategy/2', but was 'studbook/strategy/1'"):
        strategy_from_json(json.dumps(data | {"schema": "studbook/strategy/1"}))


def test_every_single_character_can_be_damaged_without_a_traceback():
    text = RSI.to_json()
    for place in range(len(text)):
        for other in ("", "\x00", "9", '"'):
            assert refusal_of(text[:place] + other + text[place + 1 :]) != ""
        assert "not JSON" in refusal_of(text[:place])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*RSI.to_dict(), "x"]), inner, max_size=8)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES)
def test_any_json_at_all_is_a_strategy_or_a_strategy_error(value):
    assert refusal_of(json.dumps(value)).startswith("strategy")


def test_deep_nesting_is_refused():
    with pytest.raises(StrategyError, match="not JSON"):
        strategy_from_json("[" * 200_000 + "]" * 200_000)


def test_wording():
    assert RSI.text() == (
        "long when RSI(14) < 30 and close > SMA(200); exit when RSI(14) > 55.2; stop 3 ATR; leave after 20 bars; "
        "size 100 % of equity"
    )
    volume = Condition(
        Operand("SMA", "volume", (20.0,), 1), "crosses above", Operand("PRICE", "volume", (), 3), negate=True
    )
    macd = Condition(Operand("MACD.macd", "close", (12.0, 26.0)), ">", level=0.4)
    strategy = Strategy(
        "both",
        Rule((volume, macd), 1),
        Rule(),
        Distance("atr", 2.1),
        Distance("percent", 5.0),
        Distance("atr", 3.0),
        1,
        2,
        Size("risk", 0.01),
    )
    assert strategy.text() == (
        "long (short on the mirrored rule) when not (SMA(volume, 20) 1 bar ago crosses above volume 3 bars ago) or "
        "MACD(12, 26).macd > 0.4 % of close; stop 2.1 ATR; target 5 %; trailing stop 3 ATR; leave after 1 bar; "
        "then wait 2 bars; size 1 % of equity at risk"
    )
