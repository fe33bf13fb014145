"""The worked notebooks are run as they stand, as a reader would run them, and say what they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs/notebooks"
SAID = {
    "evolve_in_memory": (
        r"720 evaluated, 80 families",
        r"luck explains it|worth a closer look",
        r"lines of Python for",
    ),
    "from_a_job_to_your_platform": (
        r"(?m)^reproduced$",
        r"Which operator",
        r"was born by \w+ on island",
        r"IBM: \d+ trades in the validation stretch, the same",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_notebook_runs_and_says_what_it_promises(name, tmp_path):
    script = FOLDER / f"{name}.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for said in SAID[name]:
        assert re.search(said, done.stdout), (said, done.stdout)
    assert not list(tmp_path.iterdir()), "a notebook leaves nothing behind where it is run"


def test_every_notebook_is_run_and_has_cells():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SAID)
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # ")
        assert text.count("\n# %%") > 8
