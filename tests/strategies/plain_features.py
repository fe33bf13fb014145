"""Our own features written out plainly: one bar at a time, windows oldest bar first, times by Python's own calendar."""

import math
from calendar import monthrange
from datetime import UTC, datetime, timedelta

import numpy as np

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAN = math.nan


def window_sum(terms, end: int, period: int) -> float:
    if end - period + 1 < 0:
        return NAN
    total = 0.0
    for place in range(end - period + 1, end + 1):
        total += terms[place]
    return total


def variance(terms, end: int, period: int) -> float:
    mean, total = window_sum(terms, end, period) / period, 0.0
    for place in range(max(end - period + 1, 0), end + 1):
        apart = terms[place] - mean
        total += apart * apart
    return total / (period - 1)


def by(above: float, below: float, otherwise: float = NAN) -> float:
    return above / below if below != 0.0 else otherwise


def root(value: float) -> float:
    return math.sqrt(value) if value == value else NAN


def log_returns(bars) -> list[float]:
    return [NAN, *(math.log(bars.close[t] / bars.close[t - 1]) for t in range(1, bars.close.size))]


def gap(bars, t):
    return 100.0 * (bars.open[t] / bars.close[t - 1] - 1.0) if t else NAN


def true_range(bars, t):
    if t == 0:
        return NAN
    high, low, before = bars.high[t], bars.low[t], bars.close[t - 1]
    return max(high - low, abs(before - high), abs(before - low))


def gap_in_ranges(bars, t, period):
    ranges = [true_range(bars, at) for at in range(bars.close.size)]
    return by(bars.open[t] - bars.close[t - 1], window_sum(ranges, t - 1, int(period)) / period) if t else NAN


def range_position(bars, t, period):
    if t < period - 1:
        return NAN
    span = slice(t - int(period) + 1, t + 1)
    top, bottom = max(bars.high[span]), min(bars.low[span])
    return by(bars.close[t] - bottom, top - bottom, 0.5)


def streak(bars, t):
    if t < 10:
        return NAN
    changes = [np.sign(bars.close[t - back] - bars.close[t - back - 1]) for back in range(10)]
    same = next((place for place, change in enumerate(changes) if change != changes[0]), 10)
    return changes[0] * same


def narrow_range(bars, t):
    if t < 20:
        return NAN
    wider = [bars.high[t - b] - bars.low[t - b] > bars.high[t] - bars.low[t] for b in range(1, 21)]
    return float(wider.index(False)) if False in wider else 20.0


def realised_volatility(bars, t, period):
    return 100.0 * root(variance(log_returns(bars), t, int(period)))


def log_of(bars, above, below):
    return [math.log(a / b) for a, b in zip(getattr(bars, above), getattr(bars, below), strict=True)]


def parkinson(bars, t, period):
    squares = [each * each for each in log_of(bars, "high", "low")]
    return 100.0 * root(window_sum(squares, t, int(period)) / period / (4.0 * math.log(2.0)))


def garman_klass(bars, t, period):
    pairs = zip(log_of(bars, "high", "low"), log_of(bars, "close", "open"), strict=True)
    terms = [0.5 * (span * span) - (2.0 * math.log(2.0) - 1.0) * (body * body) for span, body in pairs]
    return 100.0 * root(window_sum(terms, t, int(period)) / period)


def rogers_satchell_terms(bars):
    ups = zip(log_of(bars, "high", "close"), log_of(bars, "high", "open"), strict=True)
    downs = zip(log_of(bars, "low", "close"), log_of(bars, "low", "open"), strict=True)
    return [a * b + c * d for (a, b), (c, d) in zip(ups, downs, strict=True)]


def rogers_satchell(bars, t, period):
    return 100.0 * root(window_sum(rogers_satchell_terms(bars), t, int(period)) / period)


def yang_zhang(bars, t, period):
    n = int(period)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    nights = [NAN, *(math.log(bars.open[at] / bars.close[at - 1]) for at in range(1, bars.close.size))]
    over_night, days = variance(nights, t, n), variance(log_of(bars, "close", "open"), t, n)
    inside = window_sum(rogers_satchell_terms(bars), t, n) / n
    return 100.0 * root(over_night + k * days + (1.0 - k) * inside)


def volatility_ratio(bars, t, fast, slow):
    returns = log_returns(bars)
    return root(by(variance(returns, t, int(fast)), variance(returns, t, int(slow))))


def variance_ratio(bars, t, lag, period):
    q, n, returns = int(lag), int(period), log_returns(bars)
    mean = window_sum(returns, t, n) / n
    if not q < n or mean != mean:
        return NAN
    single = together = 0.0
    for at in range(t - n + 1, t + 1):
        single += (returns[at] - mean) ** 2
    for at in range(t - (n - q + 1) + 1, t + 1):
        apart = math.log(bars.close[at] / bars.close[at - q]) - q * mean
        together += apart * apart
    return by(together / (q * (n - q + 1) * (1.0 - q / n)), single / (n - 1))


def volume_imbalance(bars, t, period):
    signed = [
        math.copysign(v, c - o) if c != o else 0.0 for o, c, v in zip(bars.open, bars.close, bars.volume, strict=True)
    ]
    return by(window_sum(signed, t, int(period)), window_sum(bars.volume, t, int(period)), 0.0)


def amihud(bars, t, fast, slow):
    impact, traded = [NAN], [float(bars.volume[0] > 0.0)]
    for at in range(1, bars.close.size):
        dollars = bars.close[at] * bars.volume[at]
        impact.append(by(abs(bars.close[at] / bars.close[at - 1] - 1.0), dollars, 0.0))
        traded.append(float(bars.volume[at] > 0.0))
    means = [by(window_sum(impact, t, int(n)), window_sum(traded, t, int(n))) for n in (fast, slow)]
    return by(*means)


def corwin_schultz_spread(bars, t):
    """Corwin and Schultz 2012: beta and gamma by equations 7 and 10, alpha by 18, the spread by 14."""
    if t == 0:
        return NAN
    before, top, bottom = bars.close[t - 1], bars.high[t], bars.low[t]
    night = bottom - before if bottom > before else top - before if top < before else 0.0
    top, bottom = top - night, bottom - night
    yesterday, today = math.log(bars.high[t - 1] / bars.low[t - 1]), math.log(top / bottom)
    beta = yesterday * yesterday + today * today
    both = math.log(max(bars.high[t - 1], top) / min(bars.low[t - 1], bottom))
    gamma, width = both * both, 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (math.sqrt(2.0 * beta) - math.sqrt(beta)) / width - math.sqrt(gamma / width)
    return max(2.0 * (math.exp(alpha) - 1.0) / (1.0 + math.exp(alpha)), 0.0)


def corwin_schultz(bars, t, period):
    spreads = [corwin_schultz_spread(bars, at) for at in range(bars.close.size)]
    return 100.0 * (window_sum(spreads, t, int(period)) / period)


def vwap_distance(bars, t, period):
    typical = [(h + low + c) / 3.0 for h, low, c in zip(bars.high, bars.low, bars.close, strict=True)]
    paid = [price * volume for price, volume in zip(typical, bars.volume, strict=True)]
    return 100.0 * (bars.close[t] / by(window_sum(paid, t, int(period)), window_sum(bars.volume, t, int(period))) - 1.0)


def moment(bars, t) -> datetime:
    return EPOCH + timedelta(microseconds=int(bars.timestamps[t]))


def of_this_day(bars, t) -> list[int] | None:
    """The bars of this UTC day so far; None on the first day."""
    today = [at for at in range(t + 1) if moment(bars, at).date() == moment(bars, t).date()]
    return None if today[0] == 0 else today


def session_clock(bars, t):
    end = moment(bars, t) + timedelta(hours=1)
    passed = (end - datetime(end.year, end.month, end.day, tzinfo=UTC)) / timedelta(days=1)
    return passed or 1.0


def bars_into_session(bars, t):
    today = of_this_day(bars, t)
    return NAN if today is None else float(len(today) - 1)


def session_return(bars, t):
    today = of_this_day(bars, t)
    return NAN if today is None else 100.0 * (bars.close[t] / bars.open[today[0]] - 1.0)


def position_within(bars, t, days, otherwise):
    top, bottom = max(bars.high[days]), min(bars.low[days])
    return by(bars.close[t] - bottom, top - bottom, otherwise)


def session_position(bars, t):
    today = of_this_day(bars, t)
    return NAN if today is None else position_within(bars, t, today, 0.5)


def opening_range(bars, t, n_first):
    today = of_this_day(bars, t)
    return NAN if today is None or len(today) <= n_first else position_within(bars, t, today[: int(n_first)], NAN)


def trading_day(bars, t):
    month = (moment(bars, t).year, moment(bars, t).month)
    days = [moment(bars, at) for at in range(t + 1) if (moment(bars, at).year, moment(bars, at).month) == month]
    first = moment(bars, 0)
    return NAN if month == (first.year, first.month) else float(len({day.date() for day in days}))


REFERENCES = {
    "GAP": gap,
    "GAP_IN_RANGES": gap_in_ranges,
    "RANGE_POSITION": range_position,
    "STREAK": streak,
    "NARROW_RANGE": narrow_range,
    "REALISED_VOLATILITY": realised_volatility,
    "PARKINSON": parkinson,
    "GARMAN_KLASS": garman_klass,
    "ROGERS_SATCHELL": rogers_satchell,
    "YANG_ZHANG": yang_zhang,
    "VOLATILITY_RATIO": volatility_ratio,
    "VARIANCE_RATIO": variance_ratio,
    "VOLUME_IMBALANCE": volume_imbalance,
    "AMIHUD": amihud,
    "CORWIN_SCHULTZ": corwin_schultz,
    "VWAP_DISTANCE": vwap_distance,
    "SESSION_CLOCK": session_clock,
    "BARS_INTO_SESSION": bars_into_session,
    "SESSION_RETURN": session_return,
    "SESSION_POSITION": session_position,
    "OPENING_RANGE": opening_range,
    "DAY_OF_WEEK": lambda bars, t: float(moment(bars, t).weekday()),
    "DAY_OF_MONTH": lambda bars, t: float(moment(bars, t).day),
    "MONTH": lambda bars, t: float(moment(bars, t).month),
    "HOUR_OF_DAY": lambda bars, t: float(moment(bars, t).hour),
    "TURN_OF_MONTH.tradingday": trading_day,
    "TURN_OF_MONTH.daysleft": lambda bars, t: float(
        monthrange(moment(bars, t).year, moment(bars, t).month)[1] - moment(bars, t).day
    ),
}
