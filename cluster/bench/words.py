"""A row in words, for the terminal and the page alike."""

from cluster.bench.measuring import Bench
from cluster.bench.rows import Peer, Row

HEAD = ("Work", "Time", "M/s", "M bars/s", "Target", "")


def cells(row: Row) -> list[str]:
    """Name, time, million strategies and strategy-bars a second, target, and whether it is reached."""
    rate = "" if row.work is None else f"{1e-6 / row.took.cpu:.3f}"
    bars = "" if row.bars_per_s is None else f"{row.bars_per_s / 1e6:,.0f}"
    return [
        row.name,
        duration(row.took.wall if row.by_the_clock else row.took.cpu),
        rate,
        bars,
        row.target,
        verdict(row),
    ]


def duration(seconds: float) -> str:
    """Seconds or microseconds, with three digits that mean something."""
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    value = seconds * 1e6
    return f"{value:,.0f} us" if value >= 100 else f"{value:.1f} us" if value >= 10 else f"{value:.2f} us"


def verdict(row: Row) -> str:
    """Whether the target is reached."""
    return "" if row.reached is None else "yes" if row.reached else "no"


def remarks(row: Row) -> list[str]:
    """What is counted, what a strategy does, and what others take."""
    lines = [row.counted]
    if row.work is not None:
        work = row.work
        where = f"in {work.n_bars:,.0f} bars a strategy, {work.exposure:.0%} of them in the market"
        lines.append(f"{work.n_trades:,.1f} trades {where}")
    return [*lines, *(peer_text(row, peer) for peer in row.peers)]


def peer_text(row: Row, peer: Peer) -> str:
    """What another engine takes, how many times ours that is, and who says so."""
    times = ""
    if peer.bars_per_s and row.bars_per_s:
        times = f", {row.bars_per_s / peer.bars_per_s:,.3g} times slower"
    return f"{peer.name}: {peer.figure}{times} ({peer.source})"


def conditions(bench: Bench) -> str:
    """Under which conditions it was measured."""
    machine = bench.machine
    packages = ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "numba", "ta-lib"))
    return (
        f"{machine['processor']}; {packages}. One core; CPU time, the best of many runs, or the median where a run "
        f"can't be repeated. Load at the end: {machine['load']}. Time is that of one strategy on one shard; M/s are "
        "millions of those a second, M bars/s of their bars."
    )
