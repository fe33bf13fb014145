"""What a candidate record holds, and what `studbook verify` does about it: every field is made again, or has a reason.

To add a field to the record: a line here. Without one, `studbook verify` calls the record stale, and a test fails.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id": "hash of the strategy's JSON",
        "text": "of the strategy's JSON",
        "strategy": "read and written again",
        "birth_id": "the birth of this number has a genome that expresses this strategy",
        "island": "of the birth",
        "generation": "of the birth",
        "family": "of the birth",
        "species": "of the strategy's JSON",
        "objectives": "evaluated as in evolution",
        "in_sample": "traded again",
        "validation": "traded again",
        "lockbox": "traded again; no new look, for nothing is chosen by it",
        "benchmark": "bought and held again, with the same costs",
        "per_shard": "traded again",
        "gates": "judged again, by what was tried as it stands in the journal",
        "sharpe_beyond": "of the returns beyond holding, traded again",
        "intervals": "resampled again, by the job's seed",
        "min_trl": "of the returns beyond holding",
        "battery": "run again",
        "stability": "its neighbours traded again",
        "stress": "drawn again, by the job's seed",
        "regimes": "detected and measured again",
        "passed": "by the gates",
        "portfolio": "correlations and redundancy, beside every other candidate that came to the lockbox",
        "attribution": "traded again without each member",
    }
)
"""How each field of the record is made again."""

CHOSEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "candidates": "ids by the candidates' JSON; numbers by their births",
        "n_trials": "counted again in the births of the job and of those earlier ones that the ledger has",
        "trials": "likewise",
        "n_sampled": "tried again",
        "block": "of the candidates' returns",
        "spa": "tested again over what was tried",
        "trial_variance": "of the founders on permuted bars",
        "pbo": "computed again over what was tried",
        "effective": "computed again over what was tried",
        "paths": "computed again over what was tried",
    }
)
"""How each figure that is journalled with the choice of candidates is made again."""

PORTFOLIO: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id": "hash of the members' JSON and weights",
        "method": "of the settings",
        "settings": "taken as they are: an input",
        "chosen_by": "the rule that it was chosen by here",
        "members": "chosen and weighed again",
        "passed_over": "likewise",
        "correlations": "of returns in sample and in validation, traded again",
        "stretches": "traded again",
        "intervals": "resampled again, by the job's seed",
        "compared": "traded again",
        "best_single": "chosen again",
        "equity": "traded again",
        "note": "a sentence",
    }
)
"""How each field of portfolio.json is made again."""
