"""The vote of the nearest neighbours among the last samples: exact, in plain Euclidean distance.

Source: Cover, Hart 1967, "Nearest neighbor pattern classification"; Laplace's rule of succession for the probability.
"""

from typing import Final

import numpy as np
from numba import njit

from strategies.learners.rows import Column, Rows, has_row_nb, matured_nb
from strategies.numba_start import load_numba

load_numba()

_BLOCK: Final = 8
"""Distances looked at together: most blocks hold none that is near enough."""
_LEAST_GUESS: Final = 1e-9

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


@_jit
def nearest_neighbours_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the probability that the target of each bar is positive into `out`: (rises + 1) / (votes + 2).

    Of samples equally far, later ones are nearer. While there are fewer samples than p1, all of them vote.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, of which the sign is learnt; 0 and NaN are skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: samples in the window.
        p1: neighbours that vote, at most p0.
        out: `(n_bars,)`, in (0, 1); NaN where x is missing.
    """
    n_features, n_window, n_nearest = x.shape[1], int(p0), int(p1)
    # Samples are written from the end of the room to its front, so that newer ones come first; at the front, the
    # window moves back to the end.
    n_room = 2 * n_window
    room, labels = np.empty((n_features, n_room)), np.empty(n_room)
    distances, near, rising = np.empty(n_window), np.empty(n_nearest), np.empty(n_nearest)
    first, n_samples, guess = n_room, 0, 1.0
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            n_votes, rises = min(n_nearest, n_samples), 0.0
            if n_votes > 0:
                away = distances[:n_samples]
                _measure_nb(room, first, x, bar, away)
                rises = _vote_nb(away, labels[first:], guess, near[:n_votes], rising)
                guess = max(near[n_votes - 1], _LEAST_GUESS)
            out[bar] = (rises + 1.0) / (n_votes + 2.0)
        known = matured_nb(x, y, bar, horizon)
        if known < 0 or y[known] == 0.0:
            continue
        if first == 0:
            first = n_room - (n_window - 1)
            for j in range(n_features):
                for i in range(n_window - 1):
                    room[j, first + i] = room[j, i]
            for i in range(n_window - 1):
                labels[first + i] = labels[i]
        first -= 1
        for j in range(n_features):
            room[j, first] = x[known, j]
        labels[first] = 1.0 if y[known] > 0.0 else 0.0
        n_samples = min(n_samples + 1, n_window)


@_helper
def _measure_nb(room: Rows, first: int, x: Rows, bar: int, distances: Column) -> None:
    """Write the squared distance of a bar to each sample from place `first` of the room on."""
    for j in range(room.shape[0]):
        here, samples = x[bar, j], room[j, first : first + distances.size]
        for i in range(distances.size):
            away = samples[i] - here
            distances[i] = (distances[i] if j > 0 else 0.0) + away * away


@_helper
def _n_within_nb(distances: Column, bound: float) -> int:
    n_within = 0
    for i in range(distances.size):
        n_within += distances[i] < bound
    return n_within


@_helper
def _vote_nb(distances: Column, labels: Column, guess: float, near: Column, rising: Column) -> float:
    """How many of the nearest have a positive label.

    Args:
        distances: `(n_samples,)`, newest first.
        labels: `(n_samples,)`, 1 or 0.
        guess: above 0; speed alone depends on how near it is to the distance of the last of the nearest.
        near: `(n_nearest,)`, at most n_samples; becomes their distances, ascending.
        rising: `(n_nearest,)`, becomes their labels.
    """
    last = near.size - 1
    while _n_within_nb(distances, guess) < near.size and guess < np.inf:
        guess *= 2.0
    for place in range(near.size):
        near[place], rising[place] = guess, 0.0
    for start in range(0, distances.size, _BLOCK):
        block = distances[start : start + _BLOCK]
        if _n_within_nb(block, near[last]) == 0:
            continue
        for i in range(block.size):
            if block[i] < near[last]:
                place = last
                while place > 0 and near[place - 1] > block[i]:
                    near[place], rising[place] = near[place - 1], rising[place - 1]
                    place -= 1
                near[place], rising[place] = block[i], labels[start + i]
    rises = 0.0
    for place in range(near.size):
        rises += rising[place]
    return rises
