import numpy as np
import pytest

from evolution.advance import advance, found
from evolution.islands import TOPOLOGIES, emigrants, emigrants_from_bytes, emigrants_to_bytes, sources
from evolution.selection import pareto_ranks
from strategies.errors import JournalError, UsageError


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("n_islands", [1, 2, 5])
@pytest.mark.parametrize("lag", [1, 3])
def test_every_topology_takes_only_what_is_finished_and_never_from_itself(topology, n_islands, lag):
    for island in range(n_islands):
        for epoch in range(6):
            taken = sources(epoch, island, n_islands, topology, lag)
            assert taken == sources(epoch, island, n_islands, topology, lag)
            assert len(set(taken)) == len(taken)
            for source, at in taken:
                assert source != island
                assert 0 <= source < n_islands
                assert at == epoch - lag >= 0


def neighbours(topology, n_islands, epoch=3, seed=5):
    return [[source for source, _ in sources(epoch, at, n_islands, topology, 1, seed)] for at in range(n_islands)]


def test_a_torus_has_four_neighbours_and_edges_that_meet():
    assert neighbours("torus", 12)[5] == [1, 4, 6, 9]
    assert neighbours("torus", 12)[0] == [8, 3, 1, 4]
    assert neighbours("torus", 4) == [[2, 1], [3, 0], [0, 3], [1, 2]]  # what is met twice sends once
    assert neighbours("torus", 5)[0] == [4, 1]  # a prime number of islands is one long row


@pytest.mark.parametrize("topology", ["full", "archive"])
def test_all_send_to_all(topology):
    assert neighbours(topology, 4) == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_a_random_ring_is_drawn_anew_for_each_epoch_and_each_island_sends_once():
    rings = [tuple(map(tuple, neighbours("random", 9, epoch))) for epoch in range(1, 12)]
    assert len(set(rings)) == 11
    for ring in rings:
        assert sorted(source for (source,) in ring) == list(range(9))
        at, met = 0, []
        while at not in met:
            met.append(at)
            at = ring[at][0]
        assert len(met) == 9  # one ring, not several
    assert neighbours("random", 9, seed=6) != neighbours("random", 9, seed=5)


def test_a_ring_goes_round_and_none_goes_nowhere():
    assert [sources(2, island, 3, "ring", 1) for island in range(3)] == [((2, 1),), ((0, 1),), ((1, 1),)]
    assert sources(0, 0, 3, "ring", 1) == ()
    assert sources(5, 0, 1, "ring", 1) == ()
    assert sources(5, 0, 3, "none", 1) == ()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 0, 2, "star", 1), "`topology` must be one of ring, torus, full, random, archive, none, but was 'star'"),
        ((0, 2, 2, "ring", 1), "`island` must be between 0 and 1, but was 2"),
        ((0, 0, 2, "ring", 0), "`lag` must be at least 1, but was 0"),
    ],
)
def test_impossible_exchanges_are_refused(arguments, text):
    with pytest.raises(UsageError, match=text):
        sources(*arguments)


def test_emigrants_are_copies_of_the_best_with_their_fitness(toy, small):
    state = advance(found(1, 0, small, toy()).state, toy(), small, 2).state
    group = emigrants(state, 3)
    assert len(group) == 3
    assert not np.shares_memory(group.genomes, state.genomes)
    rows = [int(np.flatnonzero(state.birth_ids == birth)[0]) for birth in group.birth_ids]
    for mine, theirs in (
        (group.keys, state.keys),
        (group.genomes, state.genomes),
        (group.objectives, state.objectives),
    ):
        np.testing.assert_array_equal(mine, theirs[rows])
    again = toy()
    fresh = found(1, 0, small, again)
    assert len(emigrants(fresh.state, 100)) == (fresh.state.reasons == 0).sum()
    ranks = pareto_ranks(state.objectives)
    assert ranks[rows].max() <= np.sort(ranks)[2]


def test_emigrants_come_back_equal_and_damage_is_found(toy, small):
    group = emigrants(found(1, 0, small, toy()).state, 2)
    data = emigrants_to_bytes(group)
    assert emigrants_from_bytes(data) == group
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 16
        with pytest.raises(JournalError, match="The emigrants bytes must"):
            emigrants_from_bytes(bytes(damaged))


def test_a_migrant_may_become_a_parent_at_once_and_keeps_its_family(toy, small):
    def best_is_first(phenotypes):
        given = toy(refuse_every=0)(phenotypes)
        given.objectives[:] -= 100.0
        return given

    guests = emigrants(found(1, 1, small, toy(refuse_every=0)).state, 2)
    result = advance(found(1, 0, small, best_is_first).state, best_is_first, small, 1, [guests])
    births = result.births
    migrants = births.birth_id[:2]
    np.testing.assert_array_equal(births.parent_a[:2], guests.birth_ids)
    np.testing.assert_array_equal(births.family[:2], guests.families)
    np.testing.assert_array_equal(births.measures[:2], guests.measures)
    assert np.isin(migrants, births.parent_a[2:]).any()
    assert np.isin(migrants, result.state.birth_ids).all()
    assert np.isin(births.family[2:][np.isin(births.parent_a[2:], migrants)], guests.families).all()
