"""Nothing that Studbook reads can run: no pickle, no eval, no shell, in any file of the product.

Ray moves arguments between the processes of one job with its own pickles; Studbook hands it bytes (cluster/wire.py).
numba's kernel cache is read back by pickle too: it is the user's own folder, see docs/safety.md.
"""

import ast
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from cluster.executor import EpochTask, from_wire
from cluster.trial_file import trials_from_bytes
from evolution.population import state_from_bytes
from fitness.importing import import_file
from strategies.errors import ClusterError, ConfigError, DataError, JournalError, StrategyError
from strategies.strategy import Strategy

ROOT = Path(__file__).parents[2]
PACKAGES = ("strategies", "fitness", "evolution", "cluster")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    *("unsafe_load", "full_load", "load_all", "read_pickle", "to_pickle", "loads_pickle", "literal_exec"),
    *("getoutput", "getstatusoutput", "system", "popen"),
}


def faults_of(tree):
    """What of a syntax tree would run, or read back, what it should only look at."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"import {name}" for name in names if name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node):
    called, given = node.func, {word.arg: word.value for word in node.keywords}
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    owner = getattr(getattr(called, "value", None), "id", "")
    if isinstance(called, ast.Name) and name in FORBIDDEN_NAMES:
        yield f"{name}()"
    if isinstance(called, ast.Attribute) and name in FORBIDDEN_ATTRIBUTES and owner not in ("platform",):
        yield f"{owner}.{name}()"
    if getattr(given.get("shell"), "value", False) or getattr(given.get("allow_pickle"), "value", False):
        yield "shell=True or allow_pickle=True"
    if (owner, name) == ("np", "load") and "allow_pickle" not in given:
        yield "np.load() without allow_pickle=False"
    loader = ast.unparse(given.get("Loader", ast.Constant("")))
    if (owner, name) == ("yaml", "load") and loader != "_Loader":
        yield "yaml.load() with another loader"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_of_the_product_can_run_what_it_reads(package):
    files = [path for path in SOURCES if path.relative_to(ROOT).parts[0] == package]
    assert files
    found = {
        f"{path.relative_to(ROOT)}: {fault}"
        for path in files
        for fault in faults_of(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from cloudpickle import loads", "import joblib.memory", "eval('1')", "exec('x')"),
        *("np.load(p)", "np.load(p, allow_pickle=True)", "yaml.load(t, Loader=yaml.Loader)", "yaml.unsafe_load(t)"),
        *("subprocess.run(c, shell=True)", "os.system(c)", "os.popen(c)", "pd.read_pickle(p)", "__import__('os')"),
    ],
)
def test_the_search_above_finds_what_it_looks_for(code):
    assert list(faults_of(ast.parse(code)))


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


LOADERS = {
    "message": (lambda data, path: from_wire(EpochTask, data), ClusterError),
    "state": (lambda data, path: state_from_bytes(data), JournalError),
    "trials": (lambda data, path: trials_from_bytes(data, where="x"), JournalError),
    "strategy": (lambda data, path: Strategy.from_json(data.decode("latin-1")), StrategyError),
    "bars": (lambda data, path: import_file(path, path.parent / "store", "X", "1d"), DataError),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_pickle_is_refused_and_does_not_run(name, tmp_path):
    import pickle

    path, trapped = tmp_path / "bars.csv", tmp_path / "trapped"
    data = pickle.dumps(Trap(trapped))
    path.write_bytes(data)
    load, error = LOADERS[name]
    with pytest.raises(error, match=r"must|is not JSON"):
        load(data, path)
    assert not trapped.exists()
    pickle.loads(data)
    assert trapped.exists()


def test_a_job_file_can_name_no_python_object(tmp_path):
    from cluster.settings import load_config

    (tmp_path / "a.yaml").write_text(yaml.dump({"name": Path}))
    with pytest.raises(ConfigError, match="a job file has none"):
        load_config(tmp_path / "a.yaml", environment={})


def test_numpy_and_polars_read_no_objects(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(tmp_path / "a.npy")
    with pytest.raises((pl.exceptions.PolarsError, pl.exceptions.PanicException)):
        pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}).write_parquet(io.BytesIO())
