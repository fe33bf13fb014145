"""What the README shows is run: its Python example, and every command it names exists."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_as_it_stands(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ trades, equity [\d.]+\n", done.stdout)


def test_every_command_that_is_named_exists():
    named = set(re.findall(r"^studbook ([a-z-]+)|`studbook ([a-z-]+)", README, flags=re.MULTILINE))
    help_text = subprocess.run(
        [sys.executable, "-c", "from cluster.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    missing = [name for pair in named for name in pair if name and not re.search(rf"(?m)^  {name} ", help_text)]
    assert not missing


def test_the_picture_is_there():
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert (Path(__file__).parents[1] / picture).stat().st_size > 10_000
