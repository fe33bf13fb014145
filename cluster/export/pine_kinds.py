"""Which operands Pine can compute exactly as TA-Lib does, and by which expression.

The functions, in `runtime/pine_*.txt`, follow TA-Lib's own seeds and order of sums, which Pine's `ta.*` does not.
"""

from collections.abc import Callable, Mapping
from math import isqrt
from types import MappingProxyType
from typing import Final

Numbers = tuple[float, ...]
Expression = str | Callable[[Numbers], str]
"""A template with `{x}`, the source, and `{0}`, `{1}` …, the parameters; or what makes one of the parameters."""


def _macd(output: str) -> Callable[[Numbers], str]:
    """Fast and slow may be given the wrong way round."""

    def expression(values: Numbers) -> str:
        fast, slow, signal = min(values[:2]), max(values[:2]), values[2]
        return f"f_macd_{output}({{x}}, {fast:g}, {_factor(fast)}, {slow:g}, {_factor(slow)}, {signal:g})"

    return expression


def _macdext(output: str) -> Callable[[Numbers], str]:
    def expression(values: Numbers) -> str:
        fast, slow = sorted((values[0], values[2]))
        return f"f_macdext_{output}({{x}}, {fast:g}, {slow:g}, {values[4]:g})"

    return expression


def _two(function: str, x: str = "{x}") -> Callable[[Numbers], str]:
    return lambda values: f"{function}({x}, {min(values[:2]):g}, {max(values[:2]):g})"


def _factor(n: float) -> str:
    return f"2.0 / {n + 1:g}"


def _trima(values: Numbers) -> str:
    n = int(values[0])
    inner, outer = ((n + 1) // 2, (n + 1) // 2) if n % 2 else (n // 2, n // 2 + 1)
    return f"f_trima({{x}}, {inner}, {outer})"


def _hma(values: Numbers) -> str:
    n = int(values[0])
    return f"f_hma({{x}}, {n}, {n // 2}, {isqrt(n)})"


def _ultosc(values: Numbers) -> str:
    one, two, three = sorted(values)
    return f"f_ultosc({one:g}, {two:g}, {three:g})"


def _sar(values: Numbers) -> str:
    step, most = values
    return f"f_sar({min(step, most)!r}, {most!r})"


def _kc(side: int) -> Callable[[Numbers], str]:
    def expression(values: Numbers) -> str:
        n, atr, width = values
        return f"f_kc({n:g}, {atr:g}, {side * width!r}, {max(n - 1, atr):g})"

    return expression


EXPRESSIONS: Final[Mapping[str, Expression]] = MappingProxyType(
    {
        "AC": "f_ac({0}, {1}, {2})",
        "ACCBANDS.upperband": "f_accbands_upper({0})",
        "ACCBANDS.middleband": "f_sma(close, {0})",
        "ACCBANDS.lowerband": "f_accbands_lower({0})",
        "AD": "f_ad()",
        "ADD": "high + low",
        "ADOSC": "f_adosc({0}, {1})",
        "ADX": "f_adx({0})",
        "ADXR": "f_adxr({0})",
        "AO": "f_ao({0}, {1})",
        "APO": _two("f_apo"),
        "AROON.aroondown": "f_aroon_down({0})",
        "AROON.aroonup": "f_aroon_up({0})",
        "AROONOSC": "f_aroonosc({0})",
        "ATR": "f_atr({0})",
        "AVGDEV": "f_avgdev({x}, {0})",
        "AVGPRICE": "(high + low + close + open) / 4.0",
        "BBANDS.upperband": "f_bbands({x}, {0}, {1})",
        "BBANDS.middleband": "f_sma({x}, {0})",
        "BBANDS.lowerband": "f_bbands({x}, {0}, -{2})",
        "BOP": "f_bop()",
        "CCI": "f_cci({0})",
        "CMF": "f_cmf({0})",
        "CMO": "f_cmo({x}, {0})",
        "COPPOCK": "f_coppock({x}, {0}, {1}, {2})",
        "CORREL": "f_correl({0})",
        "CUMSUM": "f_cumsum({x})",
        "DEMA": "f_dema({x}, {0})",
        "DIV": "low != 0.0 ? high / low : na",
        "DONCHIAN.upperband": "f_max(high, {0})",
        "DONCHIAN.middleband": "f_midprice({0})",
        "DONCHIAN.lowerband": "f_min(low, {0})",
        "DPO": lambda values: f"f_dpo({{x}}, {values[0]:g}, {int(values[0]) // 2 + 1})",
        "DX": "f_dx({0})",
        "EFI": "f_efi({0})",
        "EMA": "f_ema({x}, {0})",
        "ER": "f_er({x}, {0})",
        "ERI.bullpower": "f_eri_bull({0})",
        "ERI.bearpower": "f_eri_bear({0})",
        "FOSC": "f_fosc({x}, {0})",
        "HA.haopen": "f_ha_open()",
        "HA.hahigh": "f_ha_high()",
        "HA.halow": "f_ha_low()",
        "HA.haclose": "f_ha_close()",
        "HMA": _hma,
        "IMI": "f_imi({0})",
        "KAMA": "f_kama({x}, {0})",
        "KC.upperband": _kc(1),
        "KC.middleband": "f_kc_middle({0})",
        "KC.lowerband": _kc(-1),
        "LINEARREG": "f_linearreg({x}, {0})",
        "LINEARREG_INTERCEPT": "f_linearreg_intercept({x}, {0})",
        "LINEARREG_SLOPE": "f_linearreg_slope({x}, {0})",
        "MA": "f_sma({x}, {0})",
        "MACD.macd": _macd("line"),
        "MACD.macdsignal": _macd("signal"),
        "MACD.macdhist": _macd("hist"),
        "MACDEXT.macd": _macdext("line"),
        "MACDEXT.macdsignal": _macdext("signal"),
        "MACDEXT.macdhist": _macdext("hist"),
        "MACDFIX.macd": "f_macd_line({x}, 12, 0.15, 26, 0.075, {0})",
        "MACDFIX.macdsignal": "f_macd_signal({x}, 12, 0.15, 26, 0.075, {0})",
        "MACDFIX.macdhist": "f_macd_hist({x}, 12, 0.15, 26, 0.075, {0})",
        "MARKETFI": "f_marketfi()",
        "MASSI": "f_massi({0}, {1})",
        "MAX": "f_max({x}, {0})",
        "MAXINDEX": "f_since_max({x}, {0}, false)",
        "MEDPRICE": "(high + low) / 2.0",
        "MFI": "f_mfi({0})",
        "MIDPOINT": "f_midpoint({x}, {0})",
        "MIDPRICE": "f_midprice({0})",
        "MIN": "f_min({x}, {0})",
        "MININDEX": "f_since_min({x}, {0}, false)",
        "MINMAX.min": "f_min({x}, {0})",
        "MINMAX.max": "f_max({x}, {0})",
        "MINMAXINDEX.minidx": "f_since_min({x}, {0}, false)",
        "MINMAXINDEX.maxidx": "f_since_max({x}, {0}, false)",
        "MINUS_DI": "f_di_minus({0})",
        "MINUS_DM": "f_wilder_sum(f_dm_minus(), {0})",
        "MOM": "f_mom({x}, {0})",
        "MULT": "high * low",
        "NATR": "f_natr({0})",
        "NVI": "f_nvi()",
        "OBV": "f_obv()",
        "PERCENTRANK": "f_percentrank({x}, {0})",
        "PLUS_DI": "f_di_plus({0})",
        "PLUS_DM": "f_wilder_sum(f_dm_plus(), {0})",
        "PPO": _two("f_ppo"),
        "PVI": "f_pvi()",
        "PVO": _two("f_ppo", "volume"),
        "PVT": "f_pvt()",
        "QSTICK": "f_qstick({0})",
        "RMA": "f_rma({x}, {0})",
        "ROC": "f_roc({x}, {0})",
        "ROCP": "f_rocp({x}, {0})",
        "ROCR": "f_rocr({x}, {0})",
        "ROCR100": "f_rocr100({x}, {0})",
        "RSI": "f_rsi({x}, {0})",
        "RVOL": "f_rvol({0})",
        "SAR": _sar,
        "SMA": "f_sma({x}, {0})",
        "SQRT": "math.sqrt({x})",
        "STDDEV": "f_stddev({x}, {0}, {1})",
        "STOCH.slowk": "f_stoch_k({0}, {1})",
        "STOCH.slowd": "f_stoch_d({0}, {1}, {3})",
        "STOCHF.fastk": "f_stochf_k({0})",
        "STOCHF.fastd": "f_stochf_d({0}, {1})",
        "STOCHRSI.fastk": "f_stochrsi_k({x}, {0}, {1})",
        "STOCHRSI.fastd": "f_stochrsi_d({x}, {0}, {1}, {2})",
        "SUB": "high - low",
        "SUM": "f_sum({x}, {0})",
        "T3": "f_t3({x}, {0}, {1})",
        "TEMA": "f_tema({x}, {0})",
        "TRANGE": "f_trange()",
        "TRIMA": _trima,
        "TRIX": "f_trix({x}, {0})",
        "TSF": "f_tsf({x}, {0})",
        "TSI": "f_tsi({x}, {0}, {1})",
        "TYPPRICE": "(high + low + close) / 3.0",
        "ULTOSC": _ultosc,
        "VAR": "f_var({x}, {0})",
        "VHF": "f_vhf({x}, {0})",
        "VORTEX.plusvi": "f_vortex_plus({0})",
        "VORTEX.minusvi": "f_vortex_minus({0})",
        "VWAP": "f_vwap()",
        "VWMA": "f_vwma({0})",
        "WAD": "f_wad()",
        "WCLPRICE": "(high + low + close * 2.0) / 4.0",
        "WILLR": "f_willr({0})",
        "WMA": "f_wma({x}, {0})",
        "ZLEMA": lambda values: f"f_zlema({{x}}, {values[0]:g}, {(int(values[0]) - 1) // 2})",
    }
)
