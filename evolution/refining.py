"""Refining by Optuna: batches of genomes near a good parent, asked one after the other and told how they did.

Only numeric genes that have a say in the parent are moved, and only a little: `RADIUS` of their range. Which genes
these are is asked of the codec itself: those that change the phenotype somewhere in their window. `GENES_MOVED` of them
are searched at once, drawn by the key, as fifty dimensions are too many for thirty evaluations.

There is no state between two batches: a study in memory is made anew from the parent, what was told, and the key. So a
birth re-derives from its parent and the values of the batches before it. Optuna is imported here and in `tuning` alone.

Source: Bergstra, Bardenet, Bengio, Kegl 2011 (TPE); Hansen 2016, arXiv:1604.00772 (CMA-ES).
"""

import hashlib
import importlib.util
import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from evolution.checking import check_whole
from evolution.philox import uniforms
from evolution.sayable import sayable_genes
from strategies.codec import bounded, express, phenotype_keys
from strategies.errors import ConfigError
from strategies.genes import GENES, N_GENES, GeneKind
from strategies.language import Language

if TYPE_CHECKING:
    import optuna

Floats = NDArray[np.float64]

SAMPLERS: Final = {"tpe": "optuna", "cmaes": "cmaes", "gp": "torch"}
"""The samplers of Optuna by name, and the package that each needs."""
RADIUS: Final = 0.15  # how far a fraction may move to either side
STEPS: Final = 3  # how far a whole number may
GENES_MOVED: Final = 16  # genes searched at once
PROBES: Final = 9  # places of a gene's window at which it is asked whether it has a say
GRAIN: Final = 2.0**-12  # a refined fraction is a multiple: machines whose `exp` differs in the last bit agree
SMALLEST_POPULATION: Final = 4  # of CMA-ES
TRIES: Final = 4  # times `n` a sampler is asked for a batch, before chance fills up what it repeats
_NUMERIC: Final = np.array([gene.kind in (GeneKind.UNIT, GeneKind.INTEGER) for gene in GENES])
_WHOLE: Final = np.array([gene.kind == GeneKind.INTEGER for gene in GENES])
_LOW: Final = np.array([gene.low for gene in GENES], dtype=np.float64)
_HIGH: Final = np.array([gene.high for gene in GENES], dtype=np.float64)
_STUDY_LOGGER: Final = "optuna.storages._in_memory"


@dataclass(frozen=True, kw_only=True)
class RefineSettings:
    """How the best are refined.

    Attributes:
        every: generations between two refinings; 0 never refines.
        best: parents refined each time.
        batches: batches asked for each parent.
        batch: genomes of one batch.
        sampler: a name in `SAMPLERS`.
    """

    every: int = 0
    best: int = 2
    batches: int = 4
    batch: int = 8
    sampler: Literal["tpe", "cmaes", "gp"] = "tpe"

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: a setting out of its range, or a sampler whose package is not installed.
        """
        for name, low, high in (("every", 0, 100_000), ("best", 1, 1000), ("batches", 1, 1000), ("batch", 1, 1000)):
            check_whole(f"refine.{name}", getattr(self, name), low, high)
        if self.sampler not in SAMPLERS:
            raise ConfigError(
                f"`sampler` must be one of {', '.join(SAMPLERS)}, but was {self.sampler!r} (evolution: refine). "
                "Choose one of these."
            )
        package = SAMPLERS[self.sampler]
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"`sampler` must be one whose package is installed, but was {self.sampler!r}, which needs {package!r} "
                f"(evolution: refine). Install {package!r}, or take `tpe`."
            )


def proposals(
    parent: Floats,
    value: float,
    told: Sequence[tuple[Floats, Floats]],
    *,
    n: int,
    key: int,
    settings: RefineSettings,
    language: Language,
) -> Floats:
    """Return the next batch (n, N_GENES) of genomes near a parent: inside the gene bounds, each a strategy of its own.

    No two have the same phenotype, and none has that of the parent or of a genome told before, unless the parent's
    numeric genes have no more values to give. Equal arguments give equal bytes in any process.

    Args:
        parent: (N_GENES,) the genome that is refined.
        value: its first objective, which is to be maximised.
        told: of each batch before, genomes (k, N_GENES) and values (k,), NaN where a genome was not feasible.
        n: genomes to propose.
        key: 128 bits of this refining; the batch's own numbers come from it and from `len(told)`.
        settings: of refining.
        language: of the job.
    """
    parent = bounded(parent[np.newaxis])[0]
    space = _space(parent, key, settings.sampler, language)
    taken = set(_keys(np.concatenate([parent[np.newaxis], *(genomes for genomes, _ in told)]), language))
    batch: list[Floats] = []
    spare = parent
    with quiet():
        asked = itertools.islice(_asked(parent, value, told, space, key, settings), TRIES * n)
        for spare in itertools.chain(asked, _strays(parent, space, key, len(told), TRIES * n)):
            (digest,) = _keys(spare[np.newaxis], language)
            if digest not in taken:
                taken.add(digest)
                batch.append(spare)
            if len(batch) == n:
                break
    batch += [spare] * (n - len(batch))
    return np.array(batch).reshape(n, N_GENES)


@dataclass(frozen=True, eq=False)
class _Space:
    """The genes that are searched (k,) and their windows (k,), which may reach beyond the gene's bounds."""

    columns: NDArray[np.int64]
    low: Floats
    high: Floats

    def distributions(self) -> "dict[str, optuna.distributions.BaseDistribution]":
        """Return each gene's window as Optuna knows it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        return {
            GENES[column].name: IntDistribution(int(low), int(high)) if _WHOLE[column] else FloatDistribution(low, high)
            for column, low, high in zip(self.columns.tolist(), self.low.tolist(), self.high.tolist(), strict=True)
        }

    def written(self, parent: Floats, values: Sequence[float]) -> Floats:
        """Return a copy of the parent (N_GENES,) with these values (k,) in it, rounded and inside the gene bounds."""
        genome = parent.copy()
        numbers = np.rint(np.array(values) / GRAIN) * GRAIN
        genome[self.columns] = np.clip(numbers, _LOW[self.columns], _HIGH[self.columns])
        return genome

    def read(self, genome: Floats) -> dict[str, float]:
        """Return the values by gene of a genome (N_GENES,), inside the windows."""
        numbers = np.clip(genome[self.columns], self.low, self.high).tolist()
        return {
            GENES[column].name: int(number) if _WHOLE[column] else number
            for column, number in zip(self.columns.tolist(), numbers, strict=True)
        }


def _space(parent: Floats, key: int, sampler: str, language: Language) -> _Space:
    """Return up to `GENES_MOVED` of the genes that have a say, drawn by the key, with their windows.

    CMA-ES begins in the middle of its windows: there they keep the parent in it, also where it stands at a bound.
    """
    radius = np.where(_WHOLE, STEPS, RADIUS)
    low, high = parent - radius, parent + radius
    inside = np.maximum(low, _LOW), np.minimum(high, _HIGH)
    columns = _speaking(parent, *inside, language)
    drawn = np.argsort(uniforms(key, N_GENES, indices=np.zeros(1, dtype=np.int64))[0][columns], kind="stable")
    columns = np.sort(columns[drawn[:GENES_MOVED]])
    if sampler != "cmaes":
        low, high = inside
    return _Space(columns, low[columns], high[columns])


def _speaking(parent: Floats, low: Floats, high: Floats, language: Language) -> NDArray[np.int64]:
    """Return the numeric genes that, moved alone inside their window, change what the parent says."""
    numeric = np.flatnonzero(_NUMERIC & sayable_genes(language))
    probes = np.tile(parent, (len(numeric) * PROBES + 1, 1))
    for at, column in enumerate(numeric.tolist()):
        places = np.linspace(low[column], high[column], PROBES)
        probes[at * PROBES : (at + 1) * PROBES, column] = np.rint(places) if _WHOLE[column] else places
    said = express(probes, language)
    other = (said[:-1] != said[-1]).any(axis=1).reshape(len(numeric), PROBES)
    return numeric[other.any(axis=1)]


def _asked(
    parent: Floats,
    value: float,
    told: Sequence[tuple[Floats, Floats]],
    space: _Space,
    key: int,
    settings: RefineSettings,
) -> Iterator[Floats]:
    """Yield genomes without end, as the sampler asks for them. What was yielded counts as running: it keeps off."""
    import optuna

    study = optuna.create_study(study_name="refining", direction="maximize", sampler=_sampler(settings, key, 0))
    distributions = space.distributions()
    worst = _value_of_failure(value, told)

    def tell(genome: Floats, value: float, notes: dict[str, Any]) -> None:
        value = value if np.isfinite(value) else worst
        trial = optuna.trial.create_trial(
            params=space.read(genome), distributions=distributions, value=value, system_attrs=notes
        )
        study.add_trial(trial)

    tell(parent, value, {})
    for number, (genomes, values) in enumerate(told):
        # CMA-ES keeps its state in notes on the trials it asked for, and learns only from trials that have them.
        study.sampler = _sampler(settings, key, number)
        notes: dict[str, Any] = {}
        if settings.sampler == "cmaes":
            asked = study.ask(distributions)
            notes = study.get_trials(deepcopy=False)[asked.number].system_attrs
        for genome, one in zip(genomes, values.tolist(), strict=True):
            tell(genome, one, notes)
    study.sampler = _sampler(settings, key, len(told))
    while True:
        params = study.ask(distributions).params
        yield space.written(parent, [params[name] for name in distributions])


def _sampler(settings: RefineSettings, key: int, number: int) -> "optuna.samplers.BaseSampler":
    """Return the sampler of batch `number`."""
    from optuna import samplers

    seed = _digest(key, number) % 2**32
    if settings.sampler == "cmaes":
        return samplers.CmaEsSampler(seed=seed, popsize=max(settings.batch, SMALLEST_POPULATION))
    if settings.sampler == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=True)
    return samplers.TPESampler(seed=seed, n_startup_trials=1)


def _value_of_failure(value: float, told: Sequence[tuple[Floats, Floats]]) -> float:
    """Return what a genome that is not feasible counts as: as far below the worst as the best is above it, or 1.

    Finite, and not a failed trial, so that each sampler learns where not to look.
    """
    known = np.concatenate([np.array([value]), *(values for _, values in told)])
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0
    return float(known.min() - ((known.max() - known.min()) or 1.0))


def _strays(parent: Floats, space: _Space, key: int, number: int, n: int) -> Iterator[Floats]:
    """Yield `n` genomes by chance, evenly from the windows: where a sampler only repeats itself."""
    rng = np.random.Generator(np.random.Philox(key=_digest(key, number)))
    for _ in range(n):
        drawn = rng.uniform(space.low, space.high)
        yield space.written(parent, np.where(_WHOLE[space.columns], np.rint(drawn), drawn).tolist())


def _digest(key: int, number: int) -> int:
    """Return the 128-bit key of one batch."""
    message = key.to_bytes(16, "little") + number.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(message, digest_size=16, person=b"studbook refine").digest(), "little")


def _keys(genomes: Floats, language: Language) -> list[bytes]:
    """Return the digest of what each genome (n, N_GENES) says."""
    return [key.tobytes() for key in phenotype_keys(express(genomes, language))]


class _NotFrom(logging.Filter):
    """Lets pass what other threads say."""

    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from announcing each study of this thread; what it tells others about theirs stays."""
    logger, silence = logging.getLogger(_STUDY_LOGGER), _NotFrom(threading.get_ident())
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)
