"""64 bars compared at once: vectors of doubles to one packed word.

LLVM maps the vectors to whatever the machine has (AVX-512 compares eight lanes in one instruction); numba makes no
packed bits of a loop by itself. Comparisons are ordered: false where either side is NaN. They are exact, so a word is
the same on any machine.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WORD_BITS: Final = 64
_LANES: Final = 8
_WORD: Final = ir.IntType(WORD_BITS)
_VECTOR: Final = ir.VectorType(ir.DoubleType(), _LANES)
_DOUBLE_BYTES: Final = 8
_FIRST: Final = ir.Constant(ir.IntType(32), 0)
_EVERY_LANE: Final = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)


def _word_of(predicate: str) -> Callable[..., Any]:
    """The intrinsic `(x, i, y, j, factor) -> word`: bit `b` is `x[i + b] predicate factor * y[j + b]`."""

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def word_nb(_typing_context: Any, x: Any, i: Any, y: Any, j: Any, factor: Any) -> Any:
        if not all(_is_column(array) for array in (x, y)):
            return None  # numba then says that no definition takes these types

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, right = (
                builder.gep(make_array(signature.args[at])(context, builder, arguments[at]).data, [arguments[at + 1]])
                for at in (0, 2)
            )
            spread = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[4], _FIRST)
            spread = builder.shuffle_vector(spread, spread, _EVERY_LANE)
            word = ir.Constant(_WORD, 0)
            for first in range(0, WORD_BITS, _LANES):
                scaled = builder.fmul(spread, _lanes(builder, right, first))
                truth = builder.fcmp_ordered(predicate, _lanes(builder, left, first), scaled)
                bits = builder.zext(builder.bitcast(truth, ir.IntType(_LANES)), _WORD)
                word = builder.or_(word, builder.shl(bits, ir.Constant(_WORD, first)))
            return word

        return types.uint64(x, types.int64, y, types.int64, types.float64), codegen

    return word_nb


def _is_column(array: Any) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C" and array.dtype == types.float64


def _lanes(builder: Any, pointer: Any, first: int) -> Any:
    """The doubles from place `first` on, as a vector."""
    there = builder.gep(pointer, [ir.Constant(_WORD, first)])
    return builder.load(builder.bitcast(there, _VECTOR.as_pointer()), align=_DOUBLE_BYTES)


above_word_nb = _word_of(">")
at_most_word_nb = _word_of("<=")
below_word_nb = _word_of("<")
at_least_word_nb = _word_of(">=")
