"""Who has no parents: the founders of an island, some from templates, and newcomers of a species that died out."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.keys import Place, Purpose
from evolution.pedigree import FOUNDER, TEMPLATE
from evolution.settings import EvolutionSettings
from evolution.species import FREE
from strategies.codec import express
from strategies.encoding import encode, phenotype_of
from strategies.language import Language
from strategies.sampler import random_genomes
from strategies.species import SPECIES, species_of
from strategies.templates import TEMPLATES

Floats = NDArray[np.float64]


class Founders(NamedTuple):
    """The founders of an island.

    Attributes:
        genomes: (population_size, N_GENES), by species; of each species first the templates, then the strangers.
        operators: (population_size,) `FOUNDER` or `TEMPLATE`.
        names: of the template each comes from, empty for a stranger.
    """

    genomes: Floats
    operators: NDArray[np.int8]
    names: tuple[str, ...]


@cache
def templates_of(language: Language) -> tuple[tuple[str, ...], ...]:
    """Return the names of the templates of each species; a template that the language can't express is left out."""
    said = {name: express(encode(strategy)[np.newaxis], language) for name, strategy in TEMPLATES.items()}
    names: list[list[str]] = [[] for _ in SPECIES]
    for name, phenotype in said.items():
        if phenotype[0].tobytes() == phenotype_of(TEMPLATES[name]).tobytes():
            names[int(species_of(phenotype)[0])].append(name)
    return tuple(tuple(group) for group in names)


def founders(place: Place, settings: EvolutionSettings) -> Founders:
    """Return the founders of an island: of each species its share, and of these `template_share` from templates.

    Each island begins with the templates where the one before it ended. Where a species has fewer templates than
    places the same come again; as duplicates they are then mutated (`variation.renew`). Where it has none, all its
    founders are strangers.
    """
    rng, language = place.generator(Purpose.FOUNDERS), settings.language
    genomes, names = [], []
    for species, n, known in zip(SPECIES, settings.founder_counts, templates_of(language), strict=True):
        if n == 0:
            continue
        n_templates = round(settings.template_share * n) if known else 0
        chosen = [known[(place.island * n_templates + number) % len(known)] for number in range(n_templates)]
        genomes += [encode(TEMPLATES[name])[np.newaxis] for name in chosen]
        genomes.append(random_genomes(n - n_templates, rng, language, species=species))
        names += chosen + [""] * (n - n_templates)
    operators = np.array([TEMPLATE if name else FOUNDER for name in names], dtype=np.int8)
    return Founders(np.concatenate(genomes), operators, tuple(names))


def newcomers(place: Place, settings: EvolutionSettings, species: int) -> Floats:
    """Return random genomes (n, N_GENES): those that re-found a species that died out, as many as its floor.

    Or, where `species` is `FREE`, those of any species that every brood has.
    """
    if species == FREE:
        return random_genomes(settings.n_newcomers, place.generator(Purpose.NEWCOMERS_ANY), settings.language)
    name = SPECIES[species]
    rng = place.generator(Purpose(f"newcomers {name}"))
    return random_genomes(settings.floor_counts[species], rng, settings.language, species=name)
