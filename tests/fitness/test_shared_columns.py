"""Banks that share columns answer as banks with their own, to the bit, whatever their neighbours do or suffer."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness import shared_arena, shared_columns, shared_locks
from fitness.arena import NONE, claim_nb, find_nb
from fitness.bank import FeatureBank
from fitness.column_store import OwnColumns
from fitness.conditions import OPERAND_KEY
from fitness.masks import split_size
from fitness.shared_arena import Head, Shape, SharedArena
from fitness.shared_columns import SharedColumns, SharedColumnStore, sweep_shared_columns
from strategies.operands import columns_of
from tests.fitness.shared_holders import N_BARS, conditions, shard_of_walk

HOLDERS = Path(__file__).with_name("shared_holders.py")
PLENTY = 2**26


@pytest.fixture(scope="module")
def shard():
    return shard_of_walk()


@pytest.fixture
def folder(tmp_path):
    """A folder for shared files; nothing may be left in it."""
    place = tmp_path / "shm"
    place.mkdir()
    return place


@pytest.fixture
def banks(shard, folder):
    """A function that makes banks which share columns in `folder`; they are closed at the end."""
    made = []

    def make(budget=PLENTY, **others):
        made.append(
            FeatureBank(shard, 2**20, shared=SharedColumns("test", budget, folder=folder, keep_free=0, **others))
        )
        return made[-1]

    yield make
    for bank in made:
        bank.close()


def same(found, expected):
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), max_size=6), st.sampled_from([0, 40_000, PLENTY]))
def test_sharing_never_changes_what_comes_back(shard, tmp_path_factory, asked, budget):
    own, shared = FeatureBank(shard), SharedColumns("test", budget, 0, tmp_path_factory.mktemp("shm"))
    pair = [FeatureBank(shard, 2**20, shared=shared) for _ in range(2)]
    for who, seed in asked:
        assert same(pair[who].masks(conditions(seed)), own.masks(conditions(seed)))
    assert all(isinstance(bank.column_store, SharedColumnStore) for bank in pair)
    for bank in pair:
        bank.close()
    assert not list(shared.folder.iterdir())


def test_what_one_bank_computed_another_finds(banks, monkeypatch):
    first, second, wanted = banks(), banks(), conditions(1)
    expected = first.masks(wanted)

    def never(*call):
        raise AssertionError(call)

    monkeypatch.setattr(bank_module, "columns_of", never)
    assert same(second.masks(wanted), expected)
    assert expected[1].all()
    assert second.statistics().columns == first.statistics().columns
    assert second.statistics().columns.dropped == 0


def test_an_operand_that_fails_fails_for_all(banks, monkeypatch):
    def broken(*call):
        raise RuntimeError("TA_BAD_PARAM")

    with monkeypatch.context() as patch:
        patch.setattr(bank_module, "columns_of", broken)
        words, sound = banks().masks(conditions(2))
    assert not words.any()
    assert not sound.any()
    assert not banks().masks(conditions(2))[1].any()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_trouble_while_computing_leaves_the_arena_sound(banks, shard, folder, monkeypatch, error):
    first, second, calls = banks(), banks(), []

    def troubled(*call):
        calls.append(call)
        if len(calls) == 5:
            raise error
        return columns_of(*call)

    with monkeypatch.context() as patch:
        patch.setattr(bank_module, "columns_of", troubled)
        with pytest.raises(error):
            first.masks(conditions(3))
    before = [path.stat().st_ino for path in folder.iterdir()]
    expected = FeatureBank(shard).masks(conditions(3))
    assert same(second.masks(conditions(3)), expected)
    assert same(first.masks(conditions(3)), expected)
    assert [path.stat().st_ino for path in folder.iterdir()] == before


def test_an_arena_that_was_left_in_the_middle_of_a_change_is_never_read_again(banks, shard, folder, monkeypatch):
    first, second = banks(), banks()
    first.masks(conditions(3))
    (before,) = [path.stat().st_ino for path in folder.iterdir()]

    def torn(values, units, row):
        row[:] = 7
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shared_columns, "put_column", torn)
        with pytest.raises(KeyboardInterrupt):
            first.masks(conditions(4))
    expected = FeatureBank(shard).masks(conditions(4))
    assert same(second.masks(conditions(4)), expected)
    (after,) = [path.stat().st_ino for path in folder.iterdir()]
    assert after != before
    assert same(first.masks(conditions(4)), expected)  # which moves over, and finds all of it
    assert first.statistics().columns == second.statistics().columns


@pytest.mark.chaos
@pytest.mark.parametrize("budget", [0, 60_000, PLENTY])
def test_banks_go_on_while_others_are_killed(folder, amount, budget):
    """Promise: kill any worker, here one that shares columns, also in the middle of changing them."""
    rounds = amount(3, 100)
    told = subprocess.run(
        [sys.executable, str(HOLDERS), str(folder), str(budget), "1", str(rounds)],
        capture_output=True,
        text=True,
        timeout=120 + 5 * rounds,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"ended": [0, 0] * rounds, "same": True, "kind": "SharedColumnStore", "left": 0}


def test_the_budget_bounds_the_file(banks, folder):
    """Promise: no leak, of shared memory: reserved is the budget at most, and the least of two columns."""
    budget = 40 * 8 * split_size(N_BARS)
    bank = banks(budget)
    for seed in range(12):
        bank.masks(conditions(seed))
    assert bank.statistics().columns.dropped > 0
    assert bank.statistics().columns.n_bytes <= budget
    (file,) = folder.iterdir()
    pages = 9 * 4096  # each part of the file begins on a page of its own
    assert file.stat().st_blocks * 512 <= budget + pages


@pytest.mark.parametrize("n_reserved", [1, 3])
def test_full_shared_memory_makes_the_arena_smaller(banks, shard, monkeypatch, n_reserved):
    """Promise: full disk, here of shared memory: no byte is touched that was not reserved."""
    reserve, reserved = os.posix_fallocate, []

    def full(file, start, size):
        if len(reserved) == n_reserved:
            raise OSError(28, "No space left on device")
        reserved.append(size)
        reserve(file, start, size)

    monkeypatch.setattr(shared_arena, "_GROW_BYTES", 20_000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    bank = banks()
    for seed in range(4):
        assert same(bank.masks(conditions(seed)), FeatureBank(shard).masks(conditions(seed)))
    assert len(reserved) == n_reserved  # the first is that of the index
    assert bank.statistics().columns.n_rows < 20 * n_reserved
    assert (bank.statistics().columns.n_rows > 0) == (n_reserved > 1)


@pytest.mark.parametrize(
    "trouble", ["no folder", "no room", "too little room", "another's file", "another shape", "no Linux"]
)
def test_where_nothing_can_be_shared_a_bank_has_its_own_columns(shard, folder, monkeypatch, trouble):
    shared = SharedColumns("test", PLENTY, keep_free=0, folder=folder)
    if trouble == "no folder":
        folder.rmdir()
    elif trouble == "no room":
        monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    elif trouble == "too little room":
        shared = dataclasses.replace(shared, keep_free=2**60)
    elif trouble == "no Linux":
        monkeypatch.setattr(shared_columns, "shared_memory_works", lambda: False)
    else:
        FeatureBank(shard, 2**20, shared=shared)
        (path,) = folder.iterdir()
        held = os.open(path, os.O_RDWR)
        assert shared_locks.take(held, shared_arena.N_SLOTS - 1)  # so that it is not swept
        if trouble == "another's file":
            path.chmod(0o644)
        else:
            os.pwrite(held, b"\x01", 8 * Head.ROW_SIZE)
    bank = FeatureBank(shard, 2**20, shared=shared)
    assert isinstance(bank.column_store, OwnColumns)
    assert same(bank.masks(conditions(0)), FeatureBank(shard).masks(conditions(0)))


def test_nobody_waits_for_a_holder_that_was_stopped_with_the_lock(banks, shard, folder, monkeypatch):
    bank = banks()
    bank.masks(conditions(0))
    (path,) = folder.iterdir()
    other = os.open(path, os.O_RDWR)
    shared_locks.lock_file(other)
    monkeypatch.setattr(shared_locks, "PATIENCE_S", 0.01)
    assert same(bank.masks(conditions(1)), FeatureBank(shard).masks(conditions(1)))
    os.close(other)
    assert same(bank.masks(conditions(2)), FeatureBank(shard).masks(conditions(2)))


def test_files_of_the_dead_are_swept_and_those_of_the_living_stay(shard, folder):
    living = FeatureBank(shard, 2**20, shared=SharedColumns("living", PLENTY, 0, folder))
    (alive,) = folder.iterdir()
    dead = folder / alive.name.replace("columns-", "columns-", 1).replace("-300", "-301").replace(alive.name[-8:], "x")
    dead.write_bytes(b"left")
    foreign = folder / "somebody-elses"
    foreign.write_bytes(b"")
    other = FeatureBank(shard, 2**20, shared=SharedColumns("other", PLENTY, 0, folder))
    assert not dead.exists()
    assert alive.exists()
    other.close()
    sweep_shared_columns(folder)
    assert alive.exists()
    alive_still = living.masks(conditions(0))
    assert same(alive_still, FeatureBank(shard).masks(conditions(0)))
    living.close()
    living.close()
    dead.write_bytes(b"left")
    sweep_shared_columns(folder)
    assert list(folder.iterdir()) == [foreign]


def test_rows_of_a_batch_under_way_stay_until_it_ends_or_its_owner_dies(folder):
    shape = Shape(n_rows=4, row_size=8, n_key=OPERAND_KEY)
    first, second = (SharedArena("ab", shape, folder, 0) for _ in range(2))

    def ask(arena, number):
        key = np.full(OPERAND_KEY, number, dtype=np.uint64)
        with arena.locked() as index:
            row = find_nb(index, key, number)
            if row == NONE:
                row = claim_nb(index, key, number)
            if row == NONE and arena.make_room():
                row = claim_nb(arena.index, key, number)
        return row

    theirs = ask(second, 4)
    second.end()
    mine = [ask(first, number) for number in (1, 2, 3)]
    assert ask(second, 5) == theirs
    second.end()
    assert ask(second, 6) == NONE  # all rows were used since the batch of the first began
    assert [ask(first, number) for number in (1, 2, 3)] == mine
    shared_locks.give_back(first._file, first._slot)  # as the kernel does for the dead
    second.end()
    assert ask(second, 6) == theirs
    assert ask(second, 7) in mine
    for arena in (first, second):
        arena.close()
    assert not list(folder.iterdir())
