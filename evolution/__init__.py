"""The evolution loop as pure functions of state and seed.

`evolve` is a whole evolution in one call. `found` makes an island's founders, `advance` breeds it on, `sources` and
`emigrants` say how islands exchange migrants, and `check_closed` and `rederive` prove a pedigree.
"""

from evolution.admission import Evaluate, Look, ScreeningEvaluate
from evolution.advance import Advance, advance, found
from evolution.evolve import Evolved, evolve
from evolution.figures import GenerationStats
from evolution.islands import TOPOLOGIES, Emigrants, emigrants, emigrants_from_bytes, emigrants_to_bytes, sources
from evolution.pedigree import (
    OPERATORS,
    Births,
    births_columns,
    births_from_bytes,
    births_to_bytes,
    check_closed,
    concat,
)
from evolution.population import State, state_from_bytes, state_to_bytes
from evolution.rederivation import rederive
from evolution.screen import ScreenStats
from evolution.settings import EvolutionSettings, ScreenSettings

__all__ = [
    # settings in
    "EvolutionSettings",
    "ScreenSettings",
    "Evaluate",
    "ScreeningEvaluate",
    "Look",
    # the whole of it in one call
    "evolve",
    "Evolved",
    # the loop
    "found",
    "advance",
    "Advance",
    "State",
    "GenerationStats",
    "ScreenStats",
    # islands
    "TOPOLOGIES",
    "sources",
    "Emigrants",
    "emigrants",
    # the pedigree
    "OPERATORS",
    "Births",
    "births_columns",
    "concat",
    "check_closed",
    "rederive",
    # as bytes
    "state_to_bytes",
    "state_from_bytes",
    "births_to_bytes",
    "births_from_bytes",
    "emigrants_to_bytes",
    "emigrants_from_bytes",
]
