"""Sums, deviations and extremes of many windows at once: 32 neighbouring bars, a lane each.

A window's sum can't be sped up by reordering it, for that would change its last bits. So 32 windows are taken side by
side, each added up in its own order, in vectors that LLVM maps to whatever the machine has: the same bits as one window
after the other. Loads reach up to `LANES - 1` places beyond the last window asked for; callers pad their columns.
"""

from collections.abc import Callable
from math import inf
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from strategies.numba_start import load_numba

load_numba()

WIDTH: Final = 8
LANES: Final = 32

_DOUBLE_BYTES: Final = 8
_INDEX = ir.IntType(64)
_PLACE = ir.IntType(32)
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INTEGERS = ir.VectorType(_INDEX, WIDTH)
_EVERY_LANE = ir.Constant(ir.VectorType(_PLACE, WIDTH), [0] * WIDTH)
_SPOTS: Final = range(0, LANES, WIDTH)


def _data(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> Any:
    return make_array(signature.args[place])(context, builder, arguments[place]).data


def _load(builder: Any, pointer: Any, first: int = 0) -> Any:
    there = builder.gep(pointer, [ir.Constant(_INDEX, first)])
    return builder.load(builder.bitcast(there, _VECTOR.as_pointer()), align=_DOUBLE_BYTES)


def _store(builder: Any, vector: Any, pointer: Any, first: int) -> None:
    there = builder.gep(pointer, [ir.Constant(_INDEX, first)])
    builder.store(vector, builder.bitcast(there, _VECTOR.as_pointer()), align=_DOUBLE_BYTES)


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """A vector of the same value in every lane."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_PLACE, 0))
    return builder.shuffle_vector(one, one, _EVERY_LANE)


def _over_windows(combine: Callable[[Any, Any, Any, Any], Any]) -> Any:
    """The intrinsic `(column, first, step, n_terms, lanes, about)`, which updates `lanes` `(LANES,)`.

    Lane `l` takes the terms `column[first + k * step + l]` for `k` from 0 to `n_terms - 1`, in that order, by
    `combine(builder, lane, term, about[l])`. `about` is `(LANES,)`.
    """

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def run_nb(  # the typing half reads only types
        _typing_context: Any, column: Any, first: Any, step: Any, n_terms: Any, lanes: Any, about: Any
    ) -> Any:
        del first, step, n_terms

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            terms, kept, other = (_data(context, builder, signature, arguments, place) for place in (0, 4, 5))
            start = builder.gep(terms, [arguments[1]])
            sums = [cgutils.alloca_once_value(builder, _load(builder, kept, spot)) for spot in _SPOTS]
            abouts = [_load(builder, other, spot) for spot in _SPOTS]
            with cgutils.for_range(builder, arguments[3]) as loop:
                here = builder.gep(start, [builder.mul(loop.index, arguments[2])])
                for spot, total, each in zip(_SPOTS, sums, abouts, strict=True):
                    builder.store(combine(builder, builder.load(total), _load(builder, here, spot), each), total)
            for spot, total in zip(_SPOTS, sums, strict=True):
                _store(builder, builder.load(total), kept, spot)
            return context.get_dummy_value()

        return types.void(column, types.int64, types.int64, types.int64, lanes, about), codegen

    return run_nb


def _over_rings(combine: Callable[[Any, Any, Any, Any], Any]) -> Any:
    """The intrinsic `(column, first, lane, n_terms, lanes, about)`: windows whose terms lie in a ring.

    A ring of `n_terms` places was filled anew from bar `first` on. The window of lane `l` ends `lane + l` bars later:
    in its ring, place `k` holds bar `first + k` if that has come, else bar `first + k - n_terms`. A lane takes the
    places in their order; one that ends beyond the ring takes what is of no use.
    """

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def run_nb(_typing_context: Any, column: Any, first: Any, lane: Any, n_terms: Any, lanes: Any, about: Any) -> Any:
        del first, lane, n_terms

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            terms, kept, other = (_data(context, builder, signature, arguments, place) for place in (0, 4, 5))
            new = builder.gep(terms, [arguments[1]])
            old = builder.gep(new, [builder.neg(arguments[3])])
            at = _spread(builder, arguments[2], _INTEGERS)
            ends = [builder.add(at, ir.Constant(_INTEGERS, list(range(spot, spot + WIDTH)))) for spot in _SPOTS]
            sums = [cgutils.alloca_once_value(builder, _load(builder, kept, spot)) for spot in _SPOTS]
            abouts = [_load(builder, other, spot) for spot in _SPOTS]
            with cgutils.for_range(builder, arguments[3]) as loop:
                place = _spread(builder, loop.index, _INTEGERS)
                come, gone = (
                    _spread(builder, builder.load(builder.gep(block, [loop.index])), _VECTOR) for block in (new, old)
                )
                for total, end, each in zip(sums, ends, abouts, strict=True):
                    term = builder.select(builder.icmp_signed("<=", place, end), come, gone)
                    builder.store(combine(builder, builder.load(total), term, each), total)
            for spot, total in zip(_SPOTS, sums, strict=True):
                _store(builder, builder.load(total), kept, spot)
            return context.get_dummy_value()

        return types.void(column, types.int64, types.int64, types.int64, lanes, about), codegen

    return run_nb


def _add_term(builder: Any, lane: Any, term: Any, _about: Any) -> Any:
    return builder.fadd(lane, term)


def _add_distance(builder: Any, lane: Any, term: Any, about: Any) -> Any:
    return builder.fadd(lane, _distance(builder, term, about))


def _distance(builder: Any, left: Any, right: Any) -> Any:
    """The absolute difference of two vectors, lane by lane."""
    name = f"llvm.fabs.v{WIDTH}f64"
    absolute = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), name)
    return builder.call(absolute, [builder.fsub(left, right)])


def _chosen(builder: Any, predicate: str, left: Any, right: Any) -> Any:
    """`left` where `left predicate right`, else `right`."""
    return builder.select(builder.fcmp_ordered(predicate, left, right), left, right)


add_terms_nb = _over_windows(_add_term)
add_distances_nb = _over_windows(_add_distance)
add_ring_terms_nb = _over_rings(_add_term)
add_ring_distances_nb = _over_rings(_add_distance)
highest_nb = _over_windows(lambda builder, lane, term, _: _chosen(builder, ">", term, lane))
lowest_nb = _over_windows(lambda builder, lane, term, _: _chosen(builder, "<", term, lane))


def _nearest(beyond: str, nearer: str, none: float) -> Any:
    """The intrinsic `(values, pivot)`: of `values` `(m * WIDTH,)` those `beyond` the pivot, and of them the nearest."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def find_nb(_typing_context: Any, values: Any, pivot: Any) -> Any:
        del pivot

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = make_array(signature.args[0])(context, builder, arguments[0])
            nothing = ir.Constant(_VECTOR, [none] * WIDTH)
            spread = _spread(builder, arguments[1], _VECTOR)
            best = cgutils.alloca_once_value(builder, nothing)
            with cgutils.for_range(builder, builder.udiv(array.nitems, ir.Constant(_INDEX, WIDTH))) as loop:
                here = builder.gep(array.data, [builder.mul(loop.index, ir.Constant(_INDEX, WIDTH))])
                values = _load(builder, here)
                values = builder.select(builder.fcmp_ordered(beyond, values, spread), values, nothing)
                builder.store(_chosen(builder, nearer, values, builder.load(best)), best)
            lanes = builder.load(best)
            found = builder.extract_element(lanes, ir.Constant(_PLACE, 0))
            for lane in range(1, WIDTH):
                found = _chosen(builder, nearer, builder.extract_element(lanes, ir.Constant(_PLACE, lane)), found)
            return found

        return types.float64(values, types.float64), codegen

    return find_nb


next_above_nb = _nearest(">", "<", inf)
next_below_nb = _nearest("<", ">", -inf)
