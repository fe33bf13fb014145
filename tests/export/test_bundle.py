"""What is carried along is ours to the letter: it runs, says the same, and brings nothing that it doesn't need."""

import ast

import numpy as np
import pytest

from cluster.export.bundle import bundle
from strategies.learners import elementary
from strategies.learners.echo_state import echo_state_nb
from strategies.learners.hedge import EXPERTS
from strategies.learners.kernels import kernel
from tests.export.carried import imported

PLAIN = "import numpy as np\nimport talib\n\n\ndef compiled(function):\n    return function\n\n\n"


def carried(*roots):
    found = bundle(roots)
    return imported("\n".join(found.imports) + "\n" + PLAIN + found.source), found


def test_a_function_comes_with_what_it_needs_and_nothing_else() -> None:
    module, found = carried(("strategies.learners.elementary", "tanh_nb"))
    assert module.tanh_nb(0.3) == elementary.tanh_nb(0.3)
    tops = [node.name for node in ast.parse(found.source).body if isinstance(node, ast.FunctionDef)]
    assert tops == ["exp_nb", "tanh_nb"]
    assert found.names == {("strategies.learners.elementary", "tanh_nb"): "tanh_nb"}


def test_definitions_of_the_same_name_keep_apart() -> None:
    roots = [("strategies.features.structure", "_gap"), ("strategies.features.volatility", "_per_cent"),
             ("strategies.features.structure", "_NUMBER"), ("strategies.features.regimes", "_NUMBER")]  # fmt: skip
    module, found = carried(*roots)
    assert found.names[roots[2]] == "structure_NUMBER"
    assert found.names[roots[3]] == "regimes_NUMBER"
    assert module.structure_NUMBER == module.regimes_NUMBER


def test_an_import_leads_to_where_a_definition_stands() -> None:
    _, found = carried(("strategies.learners.echo_state", "SIZE"))
    assert found.names == {("strategies.learners.sixteen", "SIZE"): "SIZE"}


def test_vectors_of_llvm_have_plain_twins_that_say_the_same() -> None:
    module, _ = carried(("strategies.learners.echo_state", "echo_state_nb"))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 3)), rng.normal(size=300)
    for array in (x, y):
        array.flags.writeable = False
    theirs, ours = np.empty((2, 300))
    module.echo_state_nb(x, y, 4, 0.9, 0.99, theirs)
    echo_state_nb(x, y, 4, 0.9, 0.99, ours)
    np.testing.assert_array_equal(theirs, ours)


def test_the_mixture_brings_each_of_its_experts() -> None:
    module, _ = carried(("strategies.learners.hedge", "hedge"))
    assert module.EXPERTS == EXPERTS
    for name in EXPERTS:
        assert module.kernel(name).__name__.endswith(kernel(name).__name__)


def test_what_has_no_plain_form_is_refused_by_name() -> None:
    with pytest.raises(
        LookupError, match=r"must have a plain twin in runtime/substitutes\.txt .*, but .*ctz_nb.* has none"
    ):
        bundle([("fitness.bits", "ctz_nb")])
    with pytest.raises(LookupError, match="must stand in its module, but nothing_such does not"):
        bundle([("strategies.learners.elementary", "nothing_such")])
