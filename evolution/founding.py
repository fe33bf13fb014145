"""The founders of an island: some from templates, the rest at random."""

import numpy as np
from numpy.typing import NDArray

from evolution.keys import Place, Purpose
from evolution.pedigree import FOUNDER, TEMPLATE
from evolution.settings import EvolutionSettings
from strategies.sampler import random_genomes
from strategies.templates import template_genomes


def founder_genomes(place: Place, settings: EvolutionSettings) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return the genomes (population_size, N_GENES) of the founders and their operators (population_size,).

    Templates come first, each island beginning where the one before it ended. Where there are fewer templates than
    places the same come again; as duplicates they are then mutated (`variation.renew`).
    """
    n_templates = round(settings.template_share * settings.population_size)
    templates = template_genomes()
    rows = (place.island * n_templates + np.arange(n_templates)) % len(templates)
    strangers = random_genomes(settings.population_size - n_templates, place.generator(Purpose.FOUNDERS))
    operators = np.full(settings.population_size, FOUNDER, dtype=np.int8)
    operators[:n_templates] = TEMPLATE
    return np.concatenate([templates[rows], strangers]), operators
