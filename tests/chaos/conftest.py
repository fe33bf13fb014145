"""What the tests of crashes and refusing disks share: a job with every kind of crash point, and how it goes on."""

import pytest

from cluster.driver import open_market, resume_job, run_job
from cluster.journal import FILE_NAME
from cluster.settings import config_from

OFF = ("max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability")


@pytest.fixture(scope="session")
def mild_gates():
    """Gates that let the best of a small job reach the lockbox."""
    return {"min_trades": 1, **dict.fromkeys(OFF), "battery": False, "candidates": 1}


@pytest.fixture
def job_of(tiny_values, mild_gates, monkeypatch):
    """A function from an evolution section to a job. Its bars are loaded once, since no fault is aimed at them here."""

    def make(**evolution):
        values = {**tiny_values, "gates": mild_gates}
        values["data"] = {**values["data"], "shards": [{"symbol": "SPX"}]}
        values["evolution"] = {**values["evolution"], **evolution}
        config = config_from(values, where="test")
        market = open_market(config)
        monkeypatch.setattr("cluster.driver.open_market", lambda config: market)
        return config

    return make


@pytest.fixture
def small(job_of):
    """As little as has every kind of crash point."""
    return job_of(generations=2, population_size=6)


@pytest.fixture(scope="session")
def finish(replay):
    """A function that goes on with what is left in a folder of runs, or begins anew if nothing was acknowledged."""

    def go_on(job, root):
        journals = list(root.glob(f"*/{FILE_NAME}")) if root.exists() else []
        if not journals or not journals[0].read_bytes().count(b"\n"):
            return run_job(job, root=root / "anew", make_executor=replay)
        return resume_job(journals[0].parent, make_executor=replay)

    return go_on
