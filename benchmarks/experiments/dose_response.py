"""Draw docs/images/dose-response.svg from results/planted.csv: how strong an edge must be to be found.

Run: `python benchmarks/experiments/dose_response.py`, after planted.py.
"""

import csv
import math
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 46, 20, 50
LINES = {
    "found": ("all gates", "#1f6f5c"),
    "found by the last gate alone": ("the last gate alone", "#b5651d"),
}


def shares(column: str) -> list[tuple[float, float, int]]:
    """Return (strength, share found, markets) for each strength; the edge below costs stands at .50 for none."""
    with (HERE / "results" / "planted.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["group"][0] == "0"]
    out = []
    for strength in sorted({float(row["strength"]) for row in rows}):
        mine = [int(row[column]) for row in rows if float(row["strength"]) == strength]
        out.append((strength, sum(mine) / len(mine), len(mine)))
    return out


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share of n (Wilson 1927)."""
    middle, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def x(strength: float) -> float:
    """Return where a strength stands."""
    low, high = 0.51, 0.61
    return LEFT + (strength - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def y(share: float) -> float:
    """Return where a share stands."""
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def text(words: str, *, at: tuple[float, float], anchor: str = "start", colour: str = "#555") -> str:
    """Return words at a place."""
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def curve(column: str, title: str, colour: str, number: int) -> str:
    """Return one line with its intervals and its place in the legend."""
    points = shares(column)
    path = " ".join(f"{x(strength):.1f},{y(share):.1f}" for strength, share, _ in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for strength, share, n in points:
        bottom, top = wilson(share, n)
        place = f"{x(strength) + (number - 0.5) * 6:.1f}"
        ends = f'y1="{y(bottom):.1f}" y2="{y(top):.1f}"'
        parts.append(f'<line x1="{place}" x2="{place}" {ends} stroke="{colour}"/>')
        parts.append(f'<circle cx="{x(strength):.1f}" cy="{y(share):.1f}" r="4" fill="{colour}"/>')
    down = TOP + 6 + 20 * number
    parts.append(f'<rect x="{LEFT + 20}" y="{down}" width="12" height="12" fill="{colour}"/>')
    parts.append(text(f"found by {title}", at=(LEFT + 38, down + 11), colour="#222"))
    return "".join(parts)


def drawing() -> str:
    """Return the picture as SVG."""
    label = "Share of markets in which the planted rule was found, by its strength"
    grid = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>'
        + text(f"{tick:.0%}", at=(LEFT - 8, y(tick) + 4), anchor="end")
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    foot = [
        text(f"{strength:.2f}", at=(x(strength), HEIGHT - BOTTOM + 20), anchor="middle")
        for strength, _, _ in shares("found")
    ]
    caption = "chance that the next bar goes where the planted rule says; bars: 95 % (Wilson)"
    frame = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img" aria-label="{label}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text("How strong must an edge be to be found?", at=(LEFT, 22), colour="#222"),
        *grid,
        *(curve(column, *words, number) for number, (column, words) in enumerate(LINES.items())),
        *foot,
        text(caption, at=((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10), anchor="middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (HERE.parents[1] / "docs" / "images" / "dose-response.svg").write_text(drawing(), encoding="utf-8")
