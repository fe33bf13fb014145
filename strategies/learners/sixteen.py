"""Sixteen numbers at once: what the learners with a 16 x 16 matrix spend their time on, as vectors of LLVM.

Numba can't know that two arrays do not overlap, so it makes no vectors of these loops. Every lane does what the loop
did, in its order, with no contraction: the same bits, on every CPU.
"""

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from strategies.numba_start import load_numba

load_numba()

SIZE: Final = 16
"""Features of a sample."""

_INDEX, _DOUBLE = ir.IntType(64), ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, SIZE)
_EVERY_LANE = ir.Constant(ir.VectorType(ir.IntType(32), SIZE), [0] * SIZE)
_DOUBLE_BYTES: Final = 8


def _data(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> Any:
    return make_array(signature.args[place])(context, builder, arguments[place]).data


def _row(builder: Any, data: Any, row: Any) -> Any:
    """A pointer to 16 numbers: row `row` of `(n, 16)` numbers."""
    return builder.bitcast(builder.gep(data, [builder.mul(row, ir.Constant(_INDEX, SIZE))]), _VECTOR.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(pointer, align=_DOUBLE_BYTES)


def _spread(builder: Any, value: Any) -> Any:
    """A vector of the same value in every lane."""
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, _EVERY_LANE)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def add_rows_nb(_typing_context: Any, matrix: Any, n_rows: Any, factors: Any, sums: Any) -> Any:
    """`(matrix, n_rows, factors, sums)`: `sums (16,)` plus `factors[j] * matrix[j]` of `(n_rows, 16)`, j ascending."""
    del n_rows

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, each, out = (_data(context, builder, signature, arguments, place) for place in (0, 2, 3))
        there = _row(builder, out, ir.Constant(_INDEX, 0))
        total = cgutils.alloca_once_value(builder, _load(builder, there))
        with cgutils.for_range(builder, arguments[1]) as loop:
            factor = _spread(builder, builder.load(builder.gep(each, [loop.index])))
            term = builder.fmul(factor, _load(builder, _row(builder, rows, loop.index)))
            builder.store(builder.fadd(builder.load(total), term), total)
        builder.store(builder.load(total), there, align=_DOUBLE_BYTES)
        return context.get_dummy_value()

    return types.void(matrix, types.int64, factors, sums), codegen


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def subtract_nb(_typing_context: Any, matrix: Any, gain: Any, share: Any, factor: Any) -> Any:
    """`(matrix, gain, share, factor)`: `matrix = (matrix - (gain gain') * share) * factor`, `(16, 16)` and `(16,)`."""
    del share, factor

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, each = (_data(context, builder, signature, arguments, place) for place in (0, 1))
        across = _load(builder, _row(builder, each, ir.Constant(_INDEX, 0)))
        share, factor = _spread(builder, arguments[2]), _spread(builder, arguments[3])
        with cgutils.for_range(builder, ir.Constant(_INDEX, SIZE)) as loop:
            there = _row(builder, rows, loop.index)
            down = _spread(builder, builder.load(builder.gep(each, [loop.index])))
            taken = builder.fmul(builder.fmul(down, across), share)
            left = builder.fmul(builder.fsub(_load(builder, there), taken), factor)
            builder.store(left, there, align=_DOUBLE_BYTES)
        return context.get_dummy_value()

    return types.void(matrix, gain, types.float64, types.float64), codegen
