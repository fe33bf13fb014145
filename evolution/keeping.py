"""Which births go into the archive of an island."""

from evolution.archive import Archive, Candidates, admitted
from evolution.contest import first_case
from evolution.pedigree import Births
from evolution.selection import feasible
from evolution.settings import EvolutionSettings
from fitness.objectives import MEASURE_COLUMNS


def kept_in_archive(archive: Archive, births: Births, settings: EvolutionSettings) -> Archive:
    """Return the archive after a generation, migrants included; as it was where none is kept."""
    if settings.archive is None:
        return archive
    able = births.take(feasible(births.objectives, births.reason))
    candidates = Candidates(
        genomes=able.genome,
        birth_ids=able.birth_id,
        families=able.family,
        species=able.species,
        keys=able.key,
        objectives=able.objectives,
        measures=able.measures,
        behaviours=able.measures[:, len(MEASURE_COLUMNS) : first_case(settings)],
    )
    return admitted(archive, candidates, settings.archive)[0]
