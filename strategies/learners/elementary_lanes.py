"""`tanh_nb` and `cos_sin_nb` of elementary.py for many numbers at once, as vectors of LLVM: the same bits.

A lane does what the function does, operation by operation. Only a power of two is made of its bits here, where the
function looks it up.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from strategies.learners.elementary import EXP_BOUND, LN2_HIGH, LN2_LOW, PER_LN2, TAYLOR, TWO_PI
from strategies.numba_start import load_numba

load_numba()

_DOUBLE, _INTEGER = ir.DoubleType(), ir.IntType(64)
_DOUBLE_BYTES: Final = 8
_MANTISSA_BITS, _BIAS = 52, 1023
_E: Final = TAYLOR
_Work = Callable[["_Lanes"], tuple["_Lanes", ...]]


class _Lanes:
    """A vector of doubles in the making: plain formulas become vector operations."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def number(self, number: float) -> "_Lanes":
        return _Lanes(self.builder, ir.Constant(self.value.type, [number] * self.value.type.count))

    def _with(self, operation: str, other: "_Lanes | float", turned: bool = False) -> "_Lanes":
        right = other if isinstance(other, _Lanes) else self.number(other)
        pair = (right.value, self.value) if turned else (self.value, right.value)
        return _Lanes(self.builder, getattr(self.builder, operation)(*pair))

    def __add__(self, other: "_Lanes | float") -> "_Lanes":
        return self._with("fadd", other)

    def __sub__(self, other: "_Lanes | float") -> "_Lanes":
        return self._with("fsub", other)

    def __mul__(self, other: "_Lanes | float") -> "_Lanes":
        return self._with("fmul", other)

    def __radd__(self, other: float) -> "_Lanes":
        return self._with("fadd", other, turned=True)

    def __rsub__(self, other: float) -> "_Lanes":
        return self._with("fsub", other, turned=True)

    def __rmul__(self, other: float) -> "_Lanes":
        return self._with("fmul", other, turned=True)

    def __rtruediv__(self, other: float) -> "_Lanes":
        return self._with("fdiv", other, turned=True)

    def __neg__(self) -> "_Lanes":
        return _Lanes(self.builder, self.builder.fneg(self.value))

    def bounded(self, bound: float) -> "_Lanes":
        low, high = self.number(-bound).value, self.number(bound).value
        above = self.builder.select(self.builder.fcmp_ordered(">", low, self.value), low, self.value)
        return _Lanes(self.builder, self.builder.select(self.builder.fcmp_ordered("<", high, above), high, above))

    def floor(self) -> "_Lanes":
        name = f"llvm.floor.v{self.value.type.count}f64"
        kind = ir.FunctionType(self.value.type, [self.value.type])
        floor = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return _Lanes(self.builder, self.builder.call(floor, [self.value]))

    def whole(self) -> Any:
        """The integers that these whole numbers are."""
        return self.builder.fptosi(self.value, ir.VectorType(_INTEGER, self.value.type.count))

    def power_of_two(self) -> "_Lanes":
        """2 to the power of whole numbers from -1022 to 1023."""
        whole = self.whole()
        bias, bits = (ir.Constant(whole.type, [number] * whole.type.count) for number in (_BIAS, _MANTISSA_BITS))
        words = self.builder.shl(self.builder.add(whole, bias), bits)
        return _Lanes(self.builder, self.builder.bitcast(words, self.value.type))

    def where(self, truth: Any, other: "_Lanes") -> "_Lanes":
        return _Lanes(self.builder, self.builder.select(truth, self.value, other.value))


def _exp(value: _Lanes) -> _Lanes:
    bounded = value.bounded(EXP_BOUND)
    power = (bounded * PER_LN2 + 0.5).floor()
    r = (bounded - power * LN2_HIGH) - power * LN2_LOW
    high = _E[8] + r * (_E[9] + r * (_E[10] + r * (_E[11] + r * (_E[12] + r * _E[13]))))
    low = _E[2] + r * (_E[3] + r * (_E[4] + r * (_E[5] + r * (_E[6] + r * (_E[7] + r * high)))))
    return (1.0 + (r + r * r * low)) * power.power_of_two()


def _tanh(value: _Lanes) -> tuple[_Lanes]:
    return (1.0 - 2.0 / (_exp(2.0 * value) + 1.0),)


def _cos_sin(turns: _Lanes) -> tuple[_Lanes, _Lanes]:
    quarter = (turns * 4.0 + 0.5).floor()
    r = (turns - quarter * 0.25) * TWO_PI
    q = r * r
    odd = _E[9] - q * (_E[11] - q * (_E[13] - q * _E[15]))
    even = _E[8] - q * (_E[10] - q * (_E[12] - q * (_E[14] - q * _E[16])))
    sine = r - r * q * (_E[3] - q * (_E[5] - q * (_E[7] - q * odd)))
    cosine = 1.0 - q * (_E[2] - q * (_E[4] - q * (_E[6] - q * even)))
    builder, whole = turns.builder, quarter.whole()
    one, two, none = (ir.Constant(whole.type, [number] * whole.type.count) for number in (1, 2, 0))
    turned = builder.icmp_signed("!=", builder.and_(whole, one), none)  # sides 1 and 3
    opposite = builder.icmp_signed("!=", builder.and_(whole, two), none)  # sides 2 and 3
    along, across = sine.where(turned, cosine), cosine.where(turned, sine)
    return (-along).where(builder.xor(turned, opposite), along), (-across).where(opposite, across)


def _over(work: _Work, width: int, n_out: int) -> Any:
    """The intrinsic `(values, out)`: `values (width,)` to `out (n_out * width,)`, one result after the other."""
    vector = ir.VectorType(_DOUBLE, width)

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def run_nb(_typing_context: Any, values: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data, to = (
                make_array(kind)(context, builder, each).data
                for kind, each in zip(signature.args, arguments, strict=True)
            )
            found = work(_Lanes(builder, builder.load(builder.bitcast(data, vector.as_pointer()), align=_DOUBLE_BYTES)))
            assert len(found) == n_out
            for place, lanes in enumerate(found):
                there = builder.gep(to, [ir.Constant(_INTEGER, place * width)])
                builder.store(lanes.value, builder.bitcast(there, vector.as_pointer()), align=_DOUBLE_BYTES)
            return context.get_dummy_value()

        return types.void(values, out), codegen

    return run_nb


tanh_sixteen_nb = _over(_tanh, 16, 1)
cos_sin_eight_nb = _over(_cos_sin, 8, 2)
