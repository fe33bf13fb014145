"""The one law of every loader: what comes back is valid, or a Studbook error says where and what; never a traceback."""

import random
import time
import traceback

PATIENCE_S = 20.0
"""Of processor time for one case: none takes a hundredth of it, but a loader that hangs takes more."""
LONGEST = 6_000
"""Characters of an error text: a damaged file must not become a damaged terminal."""


def hold(case, loader, *, n, errors, named, seed=1):
    """Check the law over `n` cases and return how many were loaded and how many were refused.

    Args:
        case: from a `random.Random` to what the loader gets.
        loader: raises what it must on a bad case, and checks what it made of a good one.
        n: number of cases.
        errors: the kinds of error that this loader may raise.
        named: what every error text must name: the place.
        seed: of the cases; case `i` is drawn from `random.Random(seed * 10**9 + i)`.
    """
    counts, broken = {"loaded": 0, "refused": 0}, {}
    for number in range(n):
        given = case(random.Random(seed * 10**9 + number))
        begun = time.process_time()
        try:
            counts[_outcome(loader, given, errors, named)] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its case
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}"
            broken.setdefault(place, f"case {number}: {place}: {error!s:.600}\n  of {given!r:.600}")
        if time.process_time() - begun > PATIENCE_S:
            broken.setdefault("time", f"case {number} took longer than {PATIENCE_S} s: {given!r:.500}")
    assert not broken, f"{len(broken)} kinds\n" + "\n".join(list(broken.values())[:6])
    return counts


def _outcome(loader, given, errors, named):
    """Whether the loader "loaded" or "refused"; a refusal must be of the right kind, name the place and be short."""
    try:
        loader(given)
    except errors as error:
        text = str(error)
        assert named in text, f"does not say where: {text:.300}"
        assert len(text) <= LONGEST, f"says {len(text)} characters: {text:.300}"
        return "refused"
    return "loaded"
