"""Bars on which some genomes are poisonous: evaluating them kills, sleeps, eats memory or raises. For real actors."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from cluster.actors import Bars
from strategies.codec import phenotype_keys


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _sleep():
    time.sleep(3600)  # the poison: it outlasts every time limit


def _eat():
    held = []
    while True:
        held.append(np.ones(2**24))


def _raise():
    raise ValueError("no such bar")


HOW = {"kill": _kill, "sleep": _sleep, "eat": _eat, "raise": _raise}


@dataclass(frozen=True)
class PoisonedBars(Bars):
    """Bars with `poison`: what a genome does when it is evaluated, by the hex of its key."""

    poison: tuple[tuple[str, str], ...] = ()

    def bench(self, shares):
        made = super().bench(shares)
        healthy, poison = made.evaluate, dict(self.poison)

        def evaluate(phenotypes, segment):
            for key in phenotype_keys(phenotypes):
                if key.tobytes().hex() in poison:
                    HOW[poison[key.tobytes().hex()]]()
            return healthy(phenotypes, segment)

        made.evaluate = evaluate
        return made
