"""The table of promises is what the tests hold: every row names its tests, and these quote it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    (cells[1].strip(), re.findall(r"`(tests/[^`]+)`", cells[2]))
    for cells in (line.split("|") for line in (ROOT / "docs/promises.md").read_text().splitlines() if "`tests/" in line)
    if len(cells) > 3
]
N_PROMISES = 15


def test_every_promise_is_in_the_table():
    assert len(ROWS) == N_PROMISES
    assert all(tests for _, tests in ROWS)


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=[promise for promise, _ in ROWS])
def test_the_tests_of_a_promise_quote_it(promise, tests):
    for test in tests:
        quoted = [
            part.strip().lower()
            for said in re.findall(r"Promises?: (.*)", (ROOT / test).read_text())
            for part in re.split(r"[;]", said)
        ]
        assert any(part.startswith(promise.lower()) for part in quoted), (promise, test)
