"""An answer to a question asked of a pedigree: a sentence, its figures, and the table they were read from."""

from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, eq=False)
class Answer:
    """What a pedigree says.

    Attributes:
        question: as people ask it.
        sentence: the answer in words.
        figures: the numbers of the sentence, by name.
        table: a row each operator, founder, generation or trait.
    """

    question: str
    sentence: str
    figures: dict[str, Any]
    table: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; NaN stays for the writer to turn into null."""
        rows = self.table.to_dicts()
        return {"question": self.question, "answer": self.sentence, "figures": self.figures, "rows": rows}
