"""The error tree of Studbook. Every error says: the rule, the value it met, where, and what to do.

Each class carries the process exit code that the command line ends with (docs/architecture.md). Each takes one
positional message, so that it survives the pickling with which Ray moves errors between processes.
"""


class StudbookError(Exception):
    """Any failure that Studbook reports by name rather than by traceback."""

    exit_code = 1


class UsageError(StudbookError):
    """The command or call itself is wrong."""

    exit_code = 2


class DataError(StudbookError):
    """Bars that must not become fitness: missing, damaged, unsorted, non-positive, too few."""

    exit_code = 3


class ConfigError(StudbookError):
    """A job file that can't be read or does not make sense."""

    exit_code = 3


class StrategyError(StudbookError):
    """A strategy or genome that can't be read, or that the gene table can't express."""

    exit_code = 3


class JournalError(StudbookError):
    """A journal, checkpoint or births file that is damaged or belongs to another job."""

    exit_code = 3


class ClusterError(StudbookError):
    """A cluster, or the tracking server, that can't be reached or won't have us."""

    exit_code = 4
