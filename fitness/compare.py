"""64 bars compared at once: vectors to one packed word.

A double becomes a whole number of the same order: its bits, those of a negative number turned round but for the sign.
Its upper half decides nearly every comparison, and is half as much to read, so the halves of a column lie apart
(masks.py). LLVM maps the vectors to whatever the machine has; numba makes no packed bits of a loop by itself. All of it
is exact, so a word is the same on any machine.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WORD_BITS: Final = 64
_ALIGN: Final = 4  # a lag may begin anywhere
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_LANES = ir.VectorType(_I32, 16)
_DOUBLES, _INTEGERS, _HALVES = (ir.VectorType(kind, 8) for kind in (ir.DoubleType(), _I64, _I32))


def _word_of(predicate: str) -> Callable[..., Any]:
    """The intrinsic `(x, i, y, j) -> word` of int32 arrays: bit `b` is `x[i + b] predicate y[j + b]`."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def word_nb(_typing_context: Any, x: Any, i: Any, y: Any, j: Any) -> Any:
        if not (_is_array(x, types.int32) and _is_array(y, types.int32)):
            return None  # numba then says that no definition takes these types

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, right = (_place(context, builder, signature, arguments, at) for at in (0, 2))
            word = ir.Constant(_I64, 0)
            for first in range(0, WORD_BITS, _LANES.count):
                lanes = [_vector(builder, pointer, first, _LANES) for pointer in (left, right)]
                word = _with_bits(builder, word, builder.icmp_signed(predicate, *lanes), first)
            return word

        return types.uint64(x, types.int64, y, types.int64), codegen

    return word_nb


above_word_nb = _word_of(">")
equal_word_nb = _word_of("==")


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def split_word_nb(_typing_context: Any, values: Any, i: Any, factor: Any, halves: Any, high: Any, low: Any) -> Any:
    """Write the halves of 64 doubles `factor * values[i + b]` to `halves[high + b]` and `halves[low + b]`.

    Returns a word that says which of them are numbers; the halves of a NaN mean nothing. Both compare as signed
    integers, the lower ones where the upper ones are equal. -0 is 0.
    """
    if not (_is_array(values, types.float64) and _is_array(halves, types.int32) and halves.mutable):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = _place(context, builder, signature, arguments, 0)
        target = make_array(signature.args[3])(context, builder, arguments[3]).data
        high, low = (builder.gep(target, [place]) for place in arguments[4:])
        factors = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), arguments[2], ir.Constant(_I32, 0))
        factors = builder.shuffle_vector(factors, factors, _all(_HALVES, 0))
        word = ir.Constant(_I64, 0)
        for first in range(0, WORD_BITS, _DOUBLES.count):
            scaled = builder.fmul(factors, _vector(builder, source, first, _DOUBLES))
            scaled = builder.fadd(scaled, _all(_DOUBLES, 0.0))  # makes -0 plain
            word = _with_bits(builder, word, builder.fcmp_ordered("ord", scaled, scaled), first)
            bits = builder.bitcast(scaled, _INTEGERS)
            negative = builder.ashr(bits, _all(_INTEGERS, 63))
            ordered = builder.xor(bits, builder.and_(negative, _all(_INTEGERS, 2**63 - 1)))
            upper = builder.trunc(builder.lshr(ordered, _all(_INTEGERS, 32)), _HALVES)
            lower = builder.xor(builder.trunc(ordered, _HALVES), _all(_HALVES, -(2**31)))
            for half, place in ((upper, high), (lower, low)):
                there = builder.gep(place, [ir.Constant(_I64, first)])
                builder.store(half, builder.bitcast(there, _HALVES.as_pointer()), align=_ALIGN)
        return word

    return types.uint64(values, types.int64, types.float64, halves, types.int64, types.int64), codegen


def _is_array(array: Any, dtype: Any) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C" and array.dtype == dtype


def _place(context: Any, builder: Any, signature: Any, arguments: Any, at: int) -> Any:
    """The pointer to the place that argument `at + 1` says in the array that argument `at` is."""
    array = make_array(signature.args[at])(context, builder, arguments[at])
    return builder.gep(array.data, [arguments[at + 1]])


def _all(kind: Any, value: float) -> Any:
    """A vector of the same number everywhere."""
    return ir.Constant(kind, [value] * kind.count)


def _vector(builder: Any, pointer: Any, first: int, kind: Any) -> Any:
    """The numbers from place `first` on, as a vector."""
    there = builder.gep(pointer, [ir.Constant(_I64, first)])
    return builder.load(builder.bitcast(there, kind.as_pointer()), align=_ALIGN)


def _with_bits(builder: Any, word: Any, truth: Any, first: int) -> Any:
    """`word` with the bits of a vector of truths, from bit `first` on."""
    bits = builder.zext(builder.bitcast(truth, ir.IntType(truth.type.count)), _I64)
    return builder.or_(word, builder.shl(bits, ir.Constant(_I64, first)))
