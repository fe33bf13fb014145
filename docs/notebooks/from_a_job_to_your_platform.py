# %% [markdown]
# # From a job to the platform you trade on: pedigree, proof, export
#
# Open this file in Jupyter, VS Code or PyCharm as a notebook, or run it:
# `python docs/notebooks/from_a_job_to_your_platform.py`. It runs a small job in this process, in a folder that
# goes with it, and takes about a minute. The gates are loosened so that there is something to look at: **what passes is
# no finding**.

# %%
import importlib.util
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from cluster import config_from, export_strategy, open_market, run_job
from cluster.genealogy.opening import open_pedigree
from cluster.genealogy.questions import answers
from cluster.genealogy.trees import parents_tree
from cluster.verifying import verify
from evolution.genome_strategy import GenomeStrategy
from fitness import FeatureBank, trace_any
from strategies.strategy_json import strategy_from_dict

workspace = tempfile.TemporaryDirectory(prefix="studbook-")  # goes with this process
folder = Path(workspace.name)

# %% [markdown]
# ## Run a job
# The same settings in a YAML file are run by `studbook run job.yaml`, and on a cluster by `studbook submit job.yaml`.

# %%
loose = dict.fromkeys(["max_drawdown", "dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability"])
config = config_from(
    {
        "name": "notebook",
        "seed": 3,
        "data": {
            "root": str(folder / "data"),
            "start": "2002-01-01",
            "end": "2012-01-01",
            "shards": [{"symbol": "IBM"}, {"symbol": "MSFT"}],
        },
        "evolution": {"islands": 2, "population_size": 24, "generations": 6, "epoch_generations": 2},
        "gates": {
            **loose,
            "min_trades": 5,
            "battery": False,
            "benchmark": "cash",
            "lockbox_alpha": 0.99,
            "candidates": 4,
        },
        "cluster": {"executor": "serial"},
        "tracking": {"enabled": False},
    },
    where="this notebook",
)
job = run_job(config, root=folder / "runs")
print(job.verdict)

# %% [markdown]
# ## Ask the pedigree
# `pedigree.parquet` in the run folder is the same as a table, for polars or DuckDB; in the terminal:
# `studbook genealogy`.

# %%
pedigree = open_pedigree(job)
for answer in answers(pedigree).values():
    print(f"{answer.question}\n  {answer.sentence}")

# %%
record = (job.elites or job.candidates)[0]
tree = parents_tree(pedigree, int(pedigree.rows_of([record["birth_id"]])[0]), depth=2)
print(f"{record['id']} was born by {tree['operator']} on island {tree['island']}, generation {tree['generation']}")
for parent in tree["parents"]:
    print(f"  from {parent['strategy_id']}, {parent['operator']}, generation {parent['generation']}")

# %% [markdown]
# ## No number without proof
# Every figure of the record is computed again, from the strategy's JSON, the bars, and the costs of the job.

# %%
proof = verify(job, [record["id"]])
print(proof.status)

# %% [markdown]
# ## Carry it away
# The exported file needs NumPy and TA-Lib alone. Its back-test makes the trades that Studbook's kernel made.

# %%
strategy = strategy_from_dict(record["strategy"])
path = folder / "elite.py"
path.write_text(export_strategy(strategy, "python", record))
spec = importlib.util.spec_from_file_location("elite", path)
elite = importlib.util.module_from_spec(spec)
sys.modules["elite"] = elite
spec.loader.exec_module(elite)

# %%
market = open_market(job.config)
for shard, split in zip(market.shards, market.splits, strict=True):
    window = split.validation
    columns = {name: getattr(shard, name) for name in ("open", "high", "low", "close", "volume", "timestamps")}
    theirs = elite.backtest(**columns, window=(window.start, window.stop), **asdict(market.costs))
    ours = trace_any(GenomeStrategy.of_rules(strategy), shard, window, market.costs, FeatureBank(shard)).trades
    assert [one["entry_bar"] for one in theirs] == ours["entry_bar"].tolist()
    assert [one["exit_price"] for one in theirs] == ours["exit_price"].tolist()
    print(f"{shard.symbol}: {len(theirs)} trades in the validation stretch, the same in the exported file and here")
