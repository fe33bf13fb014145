"""The pedigree's proof: every birth made anew from its parents' genomes and its key."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evolution.deap_bridge import Genes, lent
from evolution.founding import founder_genomes
from evolution.keys import Place, Purpose
from evolution.pedigree import FOUNDER, MIGRANT, TEMPLATE, Births, index_of
from evolution.settings import EvolutionSettings
from evolution.variation import conceive, material_of, mutated
from strategies.codec import bounded


def rederive(births: Births, seed: int, settings: EvolutionSettings) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of `births`, a closed pedigree, made anew; nothing is evaluated.

    Equal to `births.genome` to the bit if these births were bred with this seed and these settings.
    """
    made = np.empty_like(births.genome)
    genome_of = dict(zip(births.birth_id.tolist(), births.genome.tolist(), strict=True))
    indices = index_of(births.birth_id)
    for island, generation in sorted(set(zip(births.island.tolist(), births.generation.tolist(), strict=True))):
        place = Place(seed, island, generation)
        material = material_of(place, settings)
        founders = founder_genomes(place, settings)[0].tolist() if generation == 0 else []
        for row in np.flatnonzero((births.island == island) & (births.generation == generation)).tolist():
            index = int(indices[row])
            if births.operator[row] in (FOUNDER, TEMPLATE):
                genes = founders[index]
            else:
                a, b = genome_of[int(births.parent_a[row])], genome_of.get(int(births.parent_b[row]))
                genes = a if births.operator[row] == MIGRANT else _child(a, b, place, index, material, settings)
            for attempt in range(1, int(births.retries[row]) + 1):
                genes = mutated(_row(genes), place, index, attempt, material)
            made[row] = _row(genes)
    return made


def _child(
    first: Genes, second: Genes | None, place: Place, index: int, material: Sequence[Genes], settings: EvolutionSettings
) -> Genes:
    rng = random.Random(place.key(Purpose.VARIATION, index=index))  # noqa: S311 - seeded from our keys
    with lent(rng):
        return conceive(first, second, rng, material, settings)[0]


def _row(genes: Genes) -> Genes:
    row: Genes = bounded(np.array(genes))[0].tolist()
    return row
