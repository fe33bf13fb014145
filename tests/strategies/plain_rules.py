"""The rules of the named templates once more, in TA-Lib and NumPy alone: what the templates are tested against.

Each entry gives (long entry, long exit, short entry, short exit), `(n_bars,)` bool each, as its docstring in
strategies/templates says it; a comparison with NaN is false.
"""

import calendar
import datetime as dt
from collections import Counter

import numpy as np
import talib

from strategies.features.regimes import TRENDS, VOLATILITIES, regimes_of
from strategies.learners.running import learn
from strategies.templates import TEMPLATES

PLAIN = {}


def plain(rule):
    PLAIN[rule.__name__] = rule
    return rule


def before(values, n_bars=1):
    return np.concatenate([np.full(n_bars, np.nan), values[:-n_bars]])


def over(x, y):
    """Where x crosses above y."""
    y = np.broadcast_to(y, x.shape).astype(float)
    return (x > y) & (before(x) <= before(y))


def under(x, y):
    y = np.broadcast_to(y, x.shape).astype(float)
    return (x < y) & (before(x) >= before(y))


def never(bars):
    return np.zeros(bars.close.size, dtype=bool)


def hlc(bars):
    return bars.high, bars.low, bars.close


def sma(bars, n):
    return talib.SMA(bars.close, n)


def ema(bars, n):
    return talib.EMA(bars.close, n)


@plain
def sma_cross(b):
    fast, slow = sma(b, 10), sma(b, 20)
    return over(fast, slow), under(fast, slow), under(fast, slow), over(fast, slow)


@plain
def rsi_reversion(b):
    rsi = talib.RSI(b.close, 14)
    return (rsi < 30) & (b.close > sma(b, 200)), rsi > 55.2, never(b), never(b)


@plain
def donchian_breakout(b):
    top, bottom = before(talib.MAX(b.high, 20)), before(talib.MIN(b.low, 20))
    near_top, near_bottom = before(talib.MAX(b.high, 10)), before(talib.MIN(b.low, 10))
    return b.close > top, b.close < near_bottom, b.close < bottom, b.close > near_top


@plain
def macd(b):
    line, signal, _ = talib.MACD(b.close, 12, 26, 9)
    return over(line, signal) & (line > 0), under(line, signal), under(line, signal) & (line < 0), over(line, signal)


@plain
def bollinger(b):
    top, middle, bottom = talib.BBANDS(b.close, 20, 2.0, 2.0)
    return under(b.close, bottom), b.close > middle, over(b.close, top), b.close < middle


@plain
def golden_cross(b):
    fast, slow = sma(b, 50), sma(b, 200)
    return over(fast, slow) & (b.close > fast) & (b.close > slow), under(fast, slow), never(b), never(b)


@plain
def triple_ema(b):
    fast, middle, slow = ema(b, 4), ema(b, 9), ema(b, 18)
    return (fast > middle) & over(middle, slow), fast < middle, (fast < middle) & under(middle, slow), fast > middle


@plain
def connors_rsi2(b):
    return (talib.RSI(b.close, 2) < 10) & (b.close > sma(b, 200)), b.close > sma(b, 5), never(b), never(b)


@plain
def squeeze_breakout(b):
    top, middle, bottom = talib.BBANDS(b.close, 20, 2.0, 2.0)
    high, _, low = talib.KC(*hlc(b), 20, 20, 1.5)
    enter = over(top, high) & (b.close > high), under(bottom, low) & (b.close < low)
    return enter[0], under(b.close, middle), enter[1], over(b.close, middle)


@plain
def directional_movement(b):
    up, down, trend = (f(*hlc(b), 14) for f in (talib.PLUS_DI, talib.MINUS_DI, talib.ADX))
    return over(up, down) & (trend > 20), under(up, down), over(down, up) & (trend > 20), under(down, up)


@plain
def stochastic_pullback(b):
    fast, slow = talib.STOCH(*hlc(b), 14, 3, 0, 3, 0)
    long = over(fast, slow) & (slow < 30) & (b.close > sma(b, 50))
    short = under(fast, slow) & (slow > 70) & (b.close < sma(b, 50))
    return long, fast > 80, short, fast < 20


@plain
def cci_trend(b):
    cci = talib.CCI(*hlc(b), 20)
    return over(cci, 100), cci < 0, under(cci, -100), cci > 0


@plain
def williams_r(b):
    place, average = talib.WILLR(*hlc(b), 14), ema(b, 100)
    long, short = over(place, -80) & (b.close > average), under(place, -20) & (b.close < average)
    return long, place > -20, short, place < -80


@plain
def ichimoku(b):
    tenkan, kijun, long = ((talib.MAX(b.high, n) + talib.MIN(b.low, n)) / 2.0 for n in (9, 26, 55))
    close, past = b.close, before(b.close, 20)
    enter = over(tenkan, kijun) & (close > long) & (close > past)
    return enter, close < kijun, under(tenkan, kijun) & (close < long) & (close < past), close > kijun


@plain
def parabolic_sar(b):
    sar = talib.SAR(b.high, b.low, 0.02, 0.2)
    return over(b.close, sar), under(b.close, sar), under(b.close, sar), over(b.close, sar)


@plain
def supertrend(b):
    _, trend = talib.SUPERTREND(*hlc(b), 10, 3.0)
    trend = np.where(np.arange(trend.size) < 10, np.nan, trend)  # TA-Lib fills its warm-up with 0
    return over(trend, 0), trend < 0, under(trend, 0), trend > 0


@plain
def time_series_momentum(b):
    year = b.close / before(b.close, 252) - 1.0
    return year > 0, year < 0, year < 0, year > 0


@plain
def aroon(b):
    down, up = talib.AROON(b.high, b.low, 25)
    return (up > 70) & (down < 30), up < 50, (down > 70) & (up < 30), down < 50


@plain
def obv_trend(b):
    change, average = talib.OBV(b.close, b.volume) - before(talib.OBV(b.close, b.volume), 20), sma(b, 50)
    long, short = (change > 0) & over(b.close, average), (change < 0) & under(b.close, average)
    return long, under(b.close, average), short, over(b.close, average)


@plain
def chandelier_exit(b):
    return b.close > before(talib.MAX(b.high, 22)), never(b), b.close < before(talib.MIN(b.low, 22)), never(b)


@plain
def engulfing_reversal(b):
    candle, rsi = talib.CDLENGULFING(b.open, *hlc(b)), talib.RSI(b.close, 14)
    return (candle > 0) & (rsi < 40), rsi > 60, (candle < 0) & (rsi > 60), rsi < 40


@plain
def triple_screen(b):
    """Weeks are counted by the calendar: at each day the one that ends with it or, if it doesn't, the one before."""
    days = [dt.datetime.fromtimestamp(stamp / 1e6, dt.UTC).date() for stamp in b.timestamps.tolist()]
    mondays = [day - dt.timedelta(days=day.weekday()) for day in days]
    last = dict(zip(mondays, b.close.tolist(), strict=True))  # the close that came last
    number = {monday: place for place, monday in enumerate(last)}
    line, signal, _ = talib.MACD(np.array(list(last.values())), 12, 26, 9)
    seen = [number[monday] - (day.weekday() < 6) for day, monday in zip(days, mondays, strict=True)]
    line, signal = (np.array([column[place] if place >= 0 else np.nan for place in seen]) for column in (line, signal))
    wave = talib.STOCH(*hlc(b), 5, 3, 0, 3, 0)[0]
    return (
        (line > signal) & (wave < 30), (line < signal) | (wave > 80),
        (line < signal) & (wave > 70), (line > signal) | (wave < 20),
    )  # fmt: skip


@plain
def regime_breakout(b):
    top, bottom = before(talib.MAX(b.high, 50)), before(talib.MIN(b.low, 50))
    near_top, near_bottom = before(talib.MAX(b.high, 20)), before(talib.MIN(b.low, 20))
    trend = regimes_of(b).trend
    bull, bear = trend == TRENDS.index("bull"), trend == TRENDS.index("bear")
    known = trend >= 0
    return (
        (b.close > top) & known & ~bear,
        b.close < near_bottom,
        (b.close < bottom) & known & ~bull,
        b.close > near_top,
    )


@plain
def turn_of_month(b):
    days = [dt.datetime.fromtimestamp(stamp / 1e6, dt.UTC).date() for stamp in b.timestamps.tolist()]
    left = np.array([calendar.monthrange(day.year, day.month)[1] - day.day for day in days])
    seen = Counter()
    number = np.array([(seen.update([(day.year, day.month)]), seen[day.year, day.month])[1] for day in days], float)
    number[[(day.year, day.month) == (days[0].year, days[0].month) for day in days]] = np.nan  # may begin half-way
    return left <= 2, (number >= 3) & (left >= 11), never(b), never(b)


FEATURES = {
    "ROC": lambda b, n: talib.ROC(b.close, int(n)),
    "RSI": lambda b, n: talib.RSI(b.close, int(n)),
    "ER": lambda b, n: talib.ER(b.close, int(n)),
    "PERCENTRANK": lambda b, n: talib.PERCENTRANK(b.close, int(n)),
    "CCI": lambda b, n: talib.CCI(*hlc(b), int(n)),
    "WILLR": lambda b, n: talib.WILLR(*hlc(b), int(n)),
    "ADX": lambda b, n: talib.ADX(*hlc(b), int(n)),
    "NATR": lambda b, n: talib.NATR(*hlc(b), int(n)),
    "RVOL": lambda b, n: talib.RVOL(b.volume, int(n)),
    "BOP": lambda b: talib.BOP(b.open, *hlc(b)),
}


def score_of(learner, bars):
    """What a learner says of these bars, from features that TA-Lib gives."""
    columns = [FEATURES[each.kind](bars, *each.parameters) for each in learner.features]
    features = np.stack(columns, axis=1) if columns else np.empty((bars.close.size, 0))
    said = learn(learner.algorithm, learner.target, learner.horizon, learner.hyper, features, bars)
    return said.score


def _scores(name, bars):
    return [score_of(learner, bars) for learner in TEMPLATES[name].learners]


def alone(name, edge):
    """The rule of a template whose one learner decides."""

    def rule(b):
        (score,) = _scores(name, b)
        return score > edge, score < 0, score < -edge, score > 0

    PLAIN[name] = rule


for _name, _edge in {
    "logistic_momentum": 0.05,
    "least_squares_return": 0.05,
    "kalman_trend": 0.05,
    "similar_days": 0.1,
    "naive_bayes_reversal": 0.1,
    "fourier_excursion": 0.1,
    "echo_state_return": 0.05,
}.items():
    alone(_name, _edge)


@plain
def two_opinions(b):
    stumps, kalman = _scores("two_opinions", b)
    return (stumps > 0) & (kalman > 0), kalman < 0, (stumps < 0) & (kalman < 0), kalman > 0


@plain
def trend_with_veto(b):
    (score,) = _scores("trend_with_veto", b)
    fast, slow = ema(b, 20), ema(b, 50)
    long, short = over(fast, slow) & ~(score < -0.05), under(fast, slow) & ~(score > 0.05)
    return long, under(fast, slow), short, over(fast, slow)


@plain
def breakout_by_vote(b):
    (score,) = _scores("breakout_by_vote", b)
    much = (talib.RVOL(b.volume, 20) > 1.2).astype(int)
    up, down = (
        (b.close > before(talib.MAX(b.high, 20))).astype(int),
        (b.close < before(talib.MIN(b.low, 20))).astype(int),
    )
    net = (score > 0).astype(int) - (score < 0).astype(int)
    near_top, near_bottom = before(talib.MAX(b.high, 10)), before(talib.MIN(b.low, 10))
    return 2 * up + much + net >= 3, b.close < near_bottom, 2 * down + much - net >= 3, b.close > near_top


@plain
def dip_in_bull_regime(b):
    (score,) = _scores("dip_in_bull_regime", b)
    _, middle, bottom = talib.BBANDS(b.close, 20, 1.5, 1.5)
    bull = regimes_of(b).trend == TRENDS.index("bull")
    return (b.close < bottom) & (score > 0) & bull, b.close > middle, never(b), never(b)


@plain
def learner_with_trend(b):
    (score,) = _scores("learner_with_trend", b)
    calm = regimes_of(b).volatility == VOLATILITIES.index("low")
    return (b.close > sma(b, 200)) & (score > 0) & calm, score < 0, never(b), never(b)
