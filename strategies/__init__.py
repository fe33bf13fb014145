"""What a strategy is: gene table, codec, operands, learners, templates. Knows no market data source.

A strategy is read, written and compared with `Strategy` and its parts; `express` and `strategy_of` lead from genomes to
strategies, `phenotype_of` back to the row that `fitness` takes. Names are loaded when they are asked for, so that
whoever needs one module pays for one.
"""

from typing import TYPE_CHECKING

from strategies.on_demand import names_on_demand

if TYPE_CHECKING:
    from strategies.codec import express
    from strategies.contract import AnyStrategy, Decisions, RiskPlan
    from strategies.encoding import phenotype_of, strategy_of
    from strategies.errors import StudbookError
    from strategies.genes import GENES, N_GENES
    from strategies.language import Language
    from strategies.modules import load_module_strategies
    from strategies.sampler import random_genomes
    from strategies.strategy import (
        Breaker,
        Condition,
        Distance,
        Gate,
        Learner,
        Operand,
        Rule,
        Size,
        Strategy,
    )
    from strategies.templates import TEMPLATES

__all__ = [
    # a strategy and its parts
    "Strategy",
    "Rule",
    "Condition",
    "Operand",
    "Learner",
    "Gate",
    "Distance",
    "Size",
    "Breaker",
    # what may be said
    "Language",
    "TEMPLATES",
    # from genomes and back
    "GENES",
    "N_GENES",
    "random_genomes",
    "express",
    "strategy_of",
    "phenotype_of",
    # written by hand
    "AnyStrategy",
    "Decisions",
    "RiskPlan",
    "load_module_strategies",
    # what is raised
    "StudbookError",
]
_HOMES = {
    "express": "codec",
    "AnyStrategy": "contract",
    "Decisions": "contract",
    "RiskPlan": "contract",
    "phenotype_of": "encoding",
    "strategy_of": "encoding",
    "StudbookError": "errors",
    "GENES": "genes",
    "N_GENES": "genes",
    "Language": "language",
    "load_module_strategies": "modules",
    "random_genomes": "sampler",
    "TEMPLATES": "templates",
}

__getattr__, __dir__ = names_on_demand(__name__, __all__, _HOMES, otherwise="strategy")
