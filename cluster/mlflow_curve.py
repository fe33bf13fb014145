"""An equity curve as a small SVG: what MLflow's artifact viewer shows at once, without a script."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.report.numbers import SEGMENTS

WIDTH, HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 744, 44, 268
_POINTS: Final = 700
_LINES: Final = {"benchmark": "#9aa0a6", "equity": "#1a73e8"}
_SHADES: Final = {"in_sample": "#ffffff", "validation": "#f1f3f4", "lockbox": "#fef7e0"}
_LEAST_SPAN: Final = 1e-9


def curve_svg(curve: pl.DataFrame, *, title: str) -> str:
    """Return the curve on a logarithmic axis, with the benchmark behind it and a shade for each stretch.

    Args:
        curve: `timestamp`, `segment`, `equity`, `benchmark`, one row a bar, one or more.
        title: above it.
    """
    thin = curve.gather_every(max(-(-curve.height // _POINTS), 1))
    x = _scaled(thin["timestamp"].to_physical().to_numpy().astype(np.float64), _LEFT, _RIGHT)
    logs = {name: np.log(np.maximum(thin[name].to_numpy(), _LEAST_SPAN)) for name in _LINES}
    low, high = min(values.min() for values in logs.values()), max(values.max() for values in logs.values())
    span = max(float(high - low), _LEAST_SPAN)
    parts = [*_stretches(thin["segment"].to_list(), x), *_levels(float(low), span)]
    parts += [_line(x, _BOTTOM - (logs[name] - low) / span * (_BOTTOM - _TOP), _LINES[name]) for name in _LINES]
    parts += [_text(_LEFT, 18, title, weight="bold"), _text(_RIGHT, 18, "equity", _LINES["equity"], anchor="end")]
    parts.append(_text(_RIGHT - 56, 18, "benchmark", _LINES["benchmark"], anchor="end"))
    days = [thin["timestamp"][row].date().isoformat() for row in (0, -1)]
    parts += [_text(_LEFT, HEIGHT - 12, days[0]), _text(_RIGHT, HEIGHT - 12, days[1], anchor="end")]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>', *parts, "</svg>\n"])


def _scaled(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    span = max(float(np.ptp(values)), 1.0)
    return low + (values - values.min()) / span * (high - low)


def _stretches(segments: Sequence[str], x: NDArray[np.float64]) -> list[str]:
    """A shade and a name for each stretch."""
    parts = []
    for name in dict.fromkeys(segments):
        rows = [row for row, segment in enumerate(segments) if segment == name]
        left, right = float(x[rows[0]]), float(x[rows[-1]])
        parts.append(
            f'<rect x="{left:.1f}" y="{_TOP - 16}" width="{right - left:.1f}" height="{_BOTTOM - _TOP + 16}" '
            f'fill="{_SHADES.get(name, "#ffffff")}"/>'
        )
        parts.append(_text((left + right) / 2, _TOP - 4, SEGMENTS.get(name, name), anchor="middle"))
    return parts


def _levels(low: float, span: float) -> list[str]:
    """Lines at four levels of equity, each with its value."""
    parts = []
    for step in range(4):
        y = _BOTTOM - step / 3 * (_BOTTOM - _TOP)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="#dadce0" stroke-width="0.6"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{math.exp(low + step / 3 * span):.3g}", anchor="end"))
    return parts


def _line(x: NDArray[np.float64], y: NDArray[np.float64], colour: str) -> str:
    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"/>'


def _text(
    x: float, y: float, text: str, colour: str = "#3c4043", *, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
