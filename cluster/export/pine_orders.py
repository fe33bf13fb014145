"""Risk settings as lines of Pine: what to enter at the next open, how much, and where it is left."""

from typing import Final

from strategies.strategy import Distance, Strategy

ATR: Final = 14

_HEAD: Final = """\
// ---- what is held, and when the next entry may be decided
int side = strategy.position_size > 0.0 ? 1 : strategy.position_size < 0.0 ? -1 : 0
int entryBar = side != 0 ? strategy.opentrades.entry_bar_index(strategy.opentrades - 1) : bar_index
var int ready = 0
var int known = 0
var float peak = strategy.initial_capital
float cash = strategy.initial_capital + strategy.netprofit
if strategy.closedtrades > known
    known := strategy.closedtrades
    int pause = {cooldown}
{breaker}    ready := strategy.closedtrades.exit_bar_index(strategy.closedtrades - 1) + pause

// ---- what is wanted at the next open: 1 long, -1 short, 0 nothing
bool timeOver = {time_over}
bool leaves = side > 0 and longExit or side < 0 and shortExit or side != 0 and timeOver
bool longWanted = longEntry and not longExit
bool shortWanted = shortEntry and not shortExit
int wanted = 0
if side == 0 and bar_index >= ready and not (longEntry and shortEntry)
    wanted := longWanted ? 1 : shortWanted ? -1 : 0
if leaves
    wanted := {reversal}

// ---- distances from the fill; in per cent of the fill they are guessed from this close until it is known
{distances}
float tightest = {tightest}
bool placed = {placed}
float unitCost = close * (1.0 + feePercent / 100.0)
float most = leverage * strategy.equity / unitCost
float units = math.min({units}, most)
"""
_ORDERS: Final = """
// ---- orders; all of them fill from the next open on
var float entryAtr = 0.0
var float best = 0.0
if wanted != 0 and placed and units > 0.0
    entryAtr := atr
    strategy.entry(wanted > 0 ? "long" : "short", wanted > 0 ? strategy.long : strategy.short, qty=units)
{first_exit}else if leaves
    strategy.close_all()
else if side != 0
    float fill = strategy.position_avg_price
    if entryBar == bar_index
        best := fill
    best := side > 0 ? math.max(best, close) : math.min(best, close)
{exit}
"""


def order_lines(strategy: Strategy) -> str:
    """Return the lines that trade the four signals by the strategy's risk settings."""
    distances = {name: getattr(strategy, name) for name in ("stop", "target", "trail")}
    guessed = {name: _distance(one, "close", "atr") for name, one in distances.items() if one is not None}
    near = [f"{name}Away" for name in ("stop", "trail") if name in guessed]
    tightest = f"math.min({', '.join(near)})" if len(near) > 1 else near[0] if near else "na"
    uses_atr = any(one is not None and one.kind == "atr" for one in distances.values())
    size = strategy.size.value
    units = f"{size!r} * strategy.equity / " + ("tightest" if strategy.size.kind == "risk" else "unitCost")
    breaker = strategy.breaker
    head = _HEAD.format(
        cooldown=strategy.cooldown,
        breaker="" if breaker is None else _breaker(breaker.drawdown, max(breaker.rearm, strategy.cooldown)),
        time_over=f"bar_index + 1 - entryBar >= {strategy.time_stop}" if strategy.time_stop else "false",
        reversal="0" if strategy.cooldown else "side > 0 and shortWanted ? -1 : side < 0 and longWanted ? 1 : 0",
        distances="\n".join(
            [f"float atr = f_from({ATR}, f_atr({ATR}))"]
            + [f"float {name}Away = {text}" for name, text in guessed.items()]
        ),
        tightest=tightest,
        placed="not na(atr) and atr > 0.0" if uses_atr else "true",
        units=units,
    )
    return head + _ORDERS.format(first_exit=_first_exit(guessed, tightest), exit=_exit(distances))


def _distance(distance: Distance, price: str, atr: str) -> str:
    """The expression of a distance from a fill."""
    return f"{distance.value!r} * {atr}" if distance.kind == "atr" else f"{price} * {distance.value!r} / 100.0"


def _breaker(drawdown: float, rearm: int) -> str:
    lines = [
        f"if cash <= peak * (1.0 - {drawdown!r})",
        f"    pause := {rearm}",
        "    peak := cash",
        "else",
        "    peak := math.max(peak, cash)",
    ]
    return "".join(f"    {line}\n" for line in lines)


def _first_exit(guessed: dict[str, str], tightest: str) -> str:
    """The exit that stands with the entry, in ticks from its fill: so it lives from the entry's own bar on."""
    words = [] if tightest == "na" else ["loss=tightest / syminfo.mintick"]
    words += ["profit=targetAway / syminfo.mintick"] if "target" in guessed else []
    if not words:
        return ""
    return f'    strategy.exit("exit", wanted > 0 ? "long" : "short", {", ".join(words)})\n'


def _exit(distances: dict[str, Distance | None]) -> str:
    """The exit while a position is held, at prices that follow from its own fill and the best close since."""
    lines, levels = [], []
    if distances["stop"] is not None:
        lines.append(f"float stopLevel = fill - side * ({_distance(distances['stop'], 'fill', 'entryAtr')})")
        levels.append("stopLevel")
    if distances["trail"] is not None:
        lines.append(f"float trailLevel = best - side * ({_distance(distances['trail'], 'fill', 'entryAtr')})")
        levels.append("trailLevel")
    words = [f"stop={levels[0]}"] if len(levels) == 1 else []
    if len(levels) > 1:
        lines.append("float level = side > 0 ? math.max(stopLevel, trailLevel) : math.min(stopLevel, trailLevel)")
        words = ["stop=level"]
    if distances["target"] is not None:
        lines.append(f"float targetLevel = fill + side * ({_distance(distances['target'], 'fill', 'entryAtr')})")
        words.append("limit=targetLevel")
    if words:
        lines.append(f'strategy.exit("exit", side > 0 ? "long" : "short", {", ".join(words)})')
    return "\n".join(f"    {line}" for line in lines)
