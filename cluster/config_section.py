"""What all sections of a job file have in common."""

import difflib
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A group of keys: frozen, no unknown key, no guessing between types, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error text: the known names nearest to `name`, or all of them where none is near."""
    names = list(known)
    matches = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; nearest known: {', '.join(matches)}" if matches else f"; known: {', '.join(names)}" if names else ""
