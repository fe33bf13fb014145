"""Which births go into the archive of an island."""

from evolution.archive import Archive, Candidates, admitted
from evolution.contest import first_case
from evolution.pedigree import Births
from evolution.settings import EvolutionSettings
from fitness.objectives import MEASURE_COLUMNS


def kept_in_archive(archive: Archive, births: Births, settings: EvolutionSettings) -> Archive:
    """Return the archive after a generation, migrants included; as it was where none is kept."""
    if settings.archive is None:
        return archive
    candidates = Candidates(
        genomes=births.genome,
        birth_ids=births.birth_id,
        families=births.family,
        species=births.species,
        keys=births.key,
        objectives=births.objectives,
        measures=births.measures,
        behaviours=births.measures[:, len(MEASURE_COLUMNS) : first_case(settings)],
    )
    return admitted(archive, candidates, settings.archive)[0]
