"""Eight bars at a time: from the bar after an entry to the first bar on which something happens to the position.

Between its entry and its exit a position does nothing but be marked, and its equity is a function of each bar alone. So
these bars are taken in blocks of eight, with vectors that LLVM maps to whatever the machine has: for each bar whether
stop, trailing stop, target or ruin is met, and for those before it the return and its powers, added to eight sums each,
bar `t` to sum `t % 8`. That order of addition is part of the tally's definition (tally.py), and it is the same for one
bar at a time as for eight, so no sum is ever reassociated and the bits are those of the plain twin.

Two rules make it exact without a division for every bar's drawdown. Rounding is monotone, so the largest
`(peak - equity) / peak` below one peak is that of the lowest equity; it is divided out when the peak is passed, and at
the end. Only a block with a new peak needs running maxima.

The loop is written in LLVM's own terms because numba vectorises no sum without permission to reorder it. Nothing here
is decided about the account: the caller (kernel.py) plays the bar that is returned by the market rules.
"""

from enum import IntEnum
from math import inf
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from fitness.kernel_bars import LANES, Plane


class Walk(IntEnum):
    """Places at the beginning of an account row; the five sums have `LANES` places each."""

    SUM_R = 0
    SUM_R2 = LANES
    SUM_R3 = 2 * LANES
    SUM_R4 = 3 * LANES
    SUM_DOWN2 = 4 * LANES
    PEAK = 5 * LANES
    """Highest equity at a close, or at the start."""
    LOW = 5 * LANES + 1
    """Lowest equity at a close since the peak; infinite when there was none."""
    TROUGH = 5 * LANES + 2
    """Lowest equity at a close before the peak, or at the start."""
    DRAWDOWN = 5 * LANES + 3
    """Largest drawdown from peaks before the last."""
    BEST = 5 * LANES + 4
    """Best close of the position, sign turned for a short."""


N_WALK: Final = 6 * LANES
_SUMS: Final = (Walk.SUM_R, Walk.SUM_R2, Walk.SUM_R3, Walk.SUM_R4, Walk.SUM_DOWN2)

_F64, _I64 = ir.DoubleType(), ir.IntType(64)
_VECTOR, _INTEGERS = ir.VectorType(_F64, LANES), ir.VectorType(_I64, LANES)
_BITS = ir.IntType(LANES)
_IOTA = ir.Constant(_INTEGERS, list(range(LANES)))
_SHIFT: Final = 3
"""Bars to blocks: LANES is 2 ** 3."""


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def walk_nb(
    _typing_context: Any, blocks: Any, account: Any, first: Any, stop: Any, sign: Any, cash: Any, units: Any,
    carry_paid: Any, stop_level: Any, target: Any, trail: Any, marked: Any,
) -> Any:  # fmt: skip
    """The first bar in `[first, stop)` on which a position is stopped, reaches its target or is ruined, else `stop`.

    Args:
        blocks: `(n_blocks, n_planes, LANES)` bars of the shard, see `KernelBars`.
        account: `(N_WALK,)` or longer, updated by all bars before the one returned.
        first, stop: bars; `first < stop` is required.
        sign: 1 long, -1 short.
        cash: of the account.
        units: held, positive.
        carry_paid: carry of one unit up to the entry; read only where the blocks have carry.
        stop_level, target: signed prices, infinite when off.
        trail: distance of the trailing stop, infinite when off.
        marked: equity at the close before `first`.
    """
    real = (sign, cash, units, carry_paid, stop_level, target, trail, marked)
    if not isinstance(blocks, types.Array) or not isinstance(account, types.Array) or set(real) != {types.float64}:
        return None  # numba then says that no definition takes these types

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bars = make_array(signature.args[0])(context, builder, arguments[0])
        row = make_array(signature.args[1])(context, builder, arguments[1])
        n_planes = builder.extract_value(bars.shape, 1)
        found = builder.alloca(_I64)
        with builder.if_else(builder.fcmp_ordered("<", arguments[10], _F64(inf))) as (trails, stays):
            for branch, is_trailing in ((trails, True), (stays, False)):
                with branch:
                    has_carry = builder.icmp_signed(">", n_planes, _I64(int(Plane.CARRY_LONG)))
                    with builder.if_else(has_carry) as (carries, is_free):
                        for inner, is_carried in ((carries, True), (is_free, False)):
                            with inner:
                                loop = _Loop(builder, bars.data, n_planes, row.data, arguments[2:])
                                builder.store(loop.emit(trailing=is_trailing, carried=is_carried), found)
        return builder.load(found)

    return types.int64(blocks, account, types.int64, types.int64, *(types.float64,) * len(real)), codegen


class _Loop:
    """Writes the loop over blocks at the builder's place: once for each kind of position, so that none pays for all."""

    def __init__(self, builder: Any, bars: Any, n_planes: Any, row: Any, arguments: Any) -> None:
        self.b, self.bars, self.row = builder, bars, row
        self.stride = builder.mul(n_planes, _I64(LANES))
        self.first, self.stop, self.sign, self.cash, self.units = arguments[:5]
        self.carry_paid, self.stop_level, self.target, self.trail, self.marked = arguments[5:]
        self.is_long = builder.fcmp_ordered(">", self.sign, _F64(0.0))

    def emit(self, *, trailing: bool, carried: bool) -> Any:
        """The loop; returns the bar that was found."""
        b = self.b
        holding = b.fmul(self.sign, self.units)
        sums = {place: self._cell(self._load(_VECTOR, self.row, _I64(int(place)))) for place in _SUMS}
        peak, trough, drawdown, best = (
            self._cell(self._load(_F64, self.row, _I64(int(place))))
            for place in (Walk.PEAK, Walk.TROUGH, Walk.DRAWDOWN, Walk.BEST)
        )
        low = self._cell(self._splat(self._load(_F64, self.row, _I64(int(Walk.LOW)))))
        before = self._cell(self._splat(self.marked))
        block = self._cell(b.ashr(self.first, _I64(_SHIFT)))
        loop, done = b.append_basic_block("walk.block"), b.append_basic_block("walk.done")
        b.branch(loop)

        b.position_at_end(loop)
        number = b.load(block)
        base = b.shl(number, _I64(_SHIFT))
        bar = b.add(self._splat(base, _INTEGERS), _IOTA)
        inside = b.and_(
            b.icmp_signed(">=", bar, self._splat(self.first, _INTEGERS)),
            b.icmp_signed("<", bar, self._splat(self.stop, _INTEGERS)),
        )
        close = self._plane(number, int(Plane.CLOSE))
        equity = b.fadd(self._splat(self.cash), b.fmul(self._splat(holding), close))
        if carried:
            plane = b.select(self.is_long, _I64(int(Plane.CARRY_LONG)), _I64(int(Plane.CARRY_SHORT)))
            owed = b.fsub(self._plane(number, plane), self._splat(self.carry_paid))
            equity = b.fsub(equity, b.fmul(self._splat(self.units), owed))

        # What happens within each bar, and whether equity is lost at its close.
        level = self._splat(self.stop_level)
        if trailing:
            signed_close = b.select(inside, b.fmul(close, self._splat(self.sign)), _splat_of(-inf))
            reached = self._running_max(signed_close)
            best_before = self._max(self._shifted(reached, _splat_of(-inf), 1), self._splat(b.load(best)))
            level = self._max(level, b.fsub(best_before, self._splat(self.trail)))
        worst, top = self._extremes(number)
        hit = b.or_(b.fcmp_ordered("<=", worst, level), b.fcmp_ordered(">=", top, self._splat(self.target)))
        hit = b.and_(b.or_(hit, b.fcmp_unordered("<=", equity, _splat_of(0.0))), inside)
        hits = b.bitcast(hit, _BITS)
        is_over = b.icmp_unsigned("!=", hits, _BITS(0))
        lane = b.cttz(b.zext(hits, _I64), ir.IntType(1)(0))
        end = b.select(is_over, b.add(base, lane), self.stop)
        marked = b.and_(inside, b.icmp_signed("<", bar, self._splat(end, _INTEGERS)))
        if trailing:
            at_end = b.extract_element(best_before, b.and_(lane, _I64(LANES - 1)))
            after = self._max(b.load(best), b.extract_element(reached, _I64(LANES - 1)))
            b.store(b.select(is_over, at_end, after), best)

        at_first = b.icmp_signed("==", bar, self._splat(self.first, _INTEGERS))
        previous = b.select(at_first, self._splat(self.marked), self._shifted(equity, b.load(before), 1))
        self._book_returns(equity, previous, marked, sums)
        b.store(equity, before)
        self._book_drawdown(equity, marked, peak, low, trough, drawdown)

        following = b.add(number, _I64(1))
        b.store(following, block)
        goes_on = b.and_(b.not_(is_over), b.icmp_signed("<", b.shl(following, _I64(_SHIFT)), self.stop))
        b.cbranch(goes_on, loop, done)

        b.position_at_end(done)
        for place, cell in sums.items():
            self._store(b.load(cell), self.row, _I64(int(place)))
        lowest = self._across(b.load(low), "<")
        for place, value in (
            (Walk.PEAK, b.load(peak)),
            (Walk.LOW, lowest),
            (Walk.TROUGH, b.load(trough)),
            (Walk.DRAWDOWN, b.load(drawdown)),
            (Walk.BEST, b.load(best)),
        ):
            self._store(value, self.row, _I64(int(place)))
        return end

    def _book_returns(self, equity: Any, previous: Any, marked: Any, sums: dict[Walk, Any]) -> None:
        b = self.b
        r = b.fsub(b.fdiv(equity, previous), _splat_of(1.0))
        r = b.select(marked, r, _splat_of(0.0))
        r2 = b.fmul(r, r)
        down2 = b.select(b.fcmp_ordered("<", r, _splat_of(0.0)), r2, _splat_of(0.0))
        terms = (r, r2, b.fmul(r2, r), b.fmul(r2, r2), down2)
        for place, term in zip(_SUMS, terms, strict=True):
            b.store(b.fadd(b.load(sums[place]), term), sums[place])

    def _book_drawdown(self, equity: Any, marked: Any, peak: Any, low: Any, trough: Any, drawdown: Any) -> None:
        """A block below the peak only lowers the low; one with a new peak is gone through with running maxima."""
        b = self.b
        at_most = b.select(marked, equity, _splat_of(inf))
        at_least = b.select(marked, equity, _splat_of(-inf))
        above = b.bitcast(b.fcmp_ordered(">", at_least, self._splat(b.load(peak))), _BITS)
        with b.if_else(b.icmp_unsigned("!=", above, _BITS(0)), likely=False) as (rises, falls):
            with rises:
                old_peak, old_low = b.load(peak), self._across(b.load(low), "<")
                fall = b.fdiv(b.fsub(old_peak, old_low), old_peak)
                peaks = self._max(self._running_max(at_least), self._splat(old_peak))
                falls_within = b.fdiv(b.fsub(peaks, equity), peaks)
                falls_within = b.select(marked, falls_within, _splat_of(0.0))
                worst = self._max(fall, self._across(falls_within, ">"))
                b.store(self._max(b.load(drawdown), worst), drawdown)
                lowest = self._min(old_low, self._across(at_most, "<"))
                b.store(self._min(b.load(trough), lowest), trough)
                b.store(b.extract_element(peaks, _I64(LANES - 1)), peak)
                b.store(_splat_of(inf), low)
            with falls:
                b.store(self._min(b.load(low), at_most), low)

    def _extremes(self, number: Any) -> tuple[Any, Any]:
        """Signed worst and best price of each bar for the side that is held."""
        b = self.b
        lows, highs = self._plane(number, int(Plane.LOW)), self._plane(number, int(Plane.HIGH))
        sign = self._splat(self.sign)
        worst = b.fmul(b.select(self.is_long, lows, highs), sign)
        return worst, b.fmul(b.select(self.is_long, highs, lows), sign)

    def _plane(self, number: Any, plane: Any) -> Any:
        """The eight values of one plane in a block."""
        plane = plane if isinstance(plane, ir.Value) else _I64(plane)
        offset = self.b.add(self.b.mul(number, self.stride), self.b.mul(plane, _I64(LANES)))
        return self._load(_VECTOR, self.bars, offset)

    def _load(self, kind: Any, data: Any, offset: Any) -> Any:
        return self.b.load(self.b.bitcast(self.b.gep(data, [offset]), kind.as_pointer()), align=8)

    def _store(self, value: Any, data: Any, offset: Any) -> None:
        self.b.store(value, self.b.bitcast(self.b.gep(data, [offset]), value.type.as_pointer()), align=8)

    def _cell(self, value: Any) -> Any:
        """A variable of the loop; LLVM keeps it in a register."""
        with self.b.goto_entry_block():
            cell = self.b.alloca(value.type)
        self.b.store(value, cell)
        return cell

    def _splat(self, value: Any, kind: Any = _VECTOR) -> Any:
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), value, _I64(0))
        return self.b.shuffle_vector(one, one, _places(*(0,) * LANES))

    def _shifted(self, vector: Any, before: Any, n: int) -> Any:
        """The vector `n` places up, filled from the end of `before`."""
        return self.b.shuffle_vector(before, vector, _places(*range(LANES - n, 2 * LANES - n)))

    def _running_max(self, vector: Any) -> Any:
        for n in (1, 2, 4):
            vector = self._max(vector, self._shifted(vector, _splat_of(-inf), n))
        return vector

    def _across(self, vector: Any, order: str) -> Any:
        """The smallest ("<") or largest (">") of a vector."""
        for n in (4, 2, 1):
            other = self.b.shuffle_vector(vector, vector, _places(*((lane + n) % LANES for lane in range(LANES))))
            vector = self._pick(vector, other, order)
        return self.b.extract_element(vector, _I64(0))

    def _max(self, left: Any, right: Any) -> Any:
        return self._pick(left, right, ">")

    def _min(self, left: Any, right: Any) -> Any:
        return self._pick(left, right, "<")

    def _pick(self, left: Any, right: Any, order: str) -> Any:
        return self.b.select(self.b.fcmp_ordered(order, left, right), left, right)


def _splat_of(value: float) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_F64, value)] * LANES)


def _places(*places: int) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(places))
