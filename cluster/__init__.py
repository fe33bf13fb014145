"""The shell: Ray actors, jobs, journal, MLflow, report, command line.

`load_config` and `run_job` run a job as the command line does; `find_job` reads one back; `export_strategy` carries a
strategy away. Names are loaded when they are asked for, so that whoever needs one module pays for one.
"""

from typing import TYPE_CHECKING

from strategies.on_demand import names_on_demand

if TYPE_CHECKING:
    from cluster.driver import resume_job, run_job
    from cluster.export import EXPORTS, export_files, export_strategy
    from cluster.genealogy.opening import open_pedigree
    from cluster.job_config import JobConfig
    from cluster.market import Market, open_market
    from cluster.portfolio_making import make_portfolio
    from cluster.settings import config_from, load_config
    from cluster.verifying import verify
    from cluster.view import JobView, find_job, list_jobs, read_job

__all__ = [
    # a job
    "JobConfig",
    "load_config",
    "config_from",
    "run_job",
    "resume_job",
    # what came of it
    "JobView",
    "read_job",
    "find_job",
    "list_jobs",
    "open_pedigree",
    "verify",
    "make_portfolio",
    # its market
    "Market",
    "open_market",
    # carrying away
    "EXPORTS",
    "export_strategy",
    "export_files",
]
_HOMES = {
    "run_job": "driver",
    "resume_job": "driver",
    "EXPORTS": "export",
    "export_strategy": "export",
    "export_files": "export",
    "JobConfig": "job_config",
    "Market": "market",
    "open_market": "market",
    "load_config": "settings",
    "open_pedigree": "genealogy.opening",
    "verify": "verifying",
    "make_portfolio": "portfolio_making",
    "config_from": "settings",
}

__getattr__, __dir__ = names_on_demand(__name__, __all__, _HOMES, otherwise="view")
