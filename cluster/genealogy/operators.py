"""Which operator earned the gains."""

from typing import Final

import numpy as np
import polars as pl

from cluster.genealogy.answers import Answer
from cluster.genealogy.lines import Rows, first_line
from cluster.genealogy.pedigree import Pedigree
from evolution.pedigree import OPERATORS

QUESTION: Final = "Which operator earned the gains?"
COLUMNS: Final = (
    *("operator", "births", "evaluated", "compared", "improved", "improved_share", "mean_gain", "summed_gain"),
    *("earned", "earned_share", "earned_per_evaluation", "line_gain"),
)


def operator_gains(pedigree: Pedigree) -> Answer:
    """Return what each operator gained over the better parent, and on the lines to what was judged.

    Columns: births; evaluated; compared: births whose gain is known; improved, improved_share: of these, gain above 0;
    mean_gain, summed_gain; earned: sum of the gains above 0; earned_share; earned_per_evaluation; line_gain: see
    `line_gains`.
    """
    name, rows = pedigree.judged
    table = _sums(pedigree).join(line_gains(pedigree, rows), on="operator")
    earned = float(table["earned"].sum())
    table = (
        table.filter(pl.col("births") > 0)
        .with_columns(
            improved_share=pl.when(pl.col("compared") > 0).then(pl.col("improved") / pl.col("compared")),
            mean_gain=pl.when(pl.col("compared") > 0).then(pl.col("summed_gain") / pl.col("compared")),
            earned_share=pl.lit(None, dtype=pl.Float64) if earned <= 0.0 else pl.col("earned") / earned,
            earned_per_evaluation=pl.when(pl.col("evaluated") > 0).then(pl.col("earned") / pl.col("evaluated")),
        )
        .select(COLUMNS)
        .sort("earned", pl.col("operator").to_physical(), descending=[True, False])
    )
    return Answer(QUESTION, *_told(table, earned, pedigree.objective, name), table)


def _sums(pedigree: Pedigree) -> pl.DataFrame:
    """Counts and sums of every operator, added up in the order of births so that they are the same each time."""
    gain, operator = pedigree.column("gain"), pedigree.lines.operator
    known = np.isfinite(gain)
    gain = np.where(known, gain, 0.0)
    wholes = {"births": np.ones(len(gain)), "evaluated": pedigree.column("evaluated"), "compared": known}
    wholes["improved"] = gain > 0.0
    sums = {"summed_gain": gain, "earned": np.maximum(gain, 0.0)}
    n = len(OPERATORS)
    counted = {name: np.bincount(operator, weights=values, minlength=n) for name, values in (wholes | sums).items()}
    names = pl.Series("operator", OPERATORS, dtype=pl.Enum(OPERATORS))
    return pl.DataFrame({"operator": names, **counted}).with_columns(pl.col(*wholes).cast(pl.Int64))


def line_gains(pedigree: Pedigree, rows: Rows) -> pl.DataFrame:
    """Return by operator what it added on the first-parent lines to `rows`: columns `operator` and `line_gain`.

    Each line goes from the first fitness that is known on it to that of its end, in steps that sum to just that; a
    step belongs to the operator of the birth that it leads to. The mean over lines.
    """
    fitness, operator = pedigree.column("fitness_after"), pedigree.lines.operator
    gains = np.zeros(len(OPERATORS))
    for row in rows:
        line = first_line(pedigree.lines, int(row))
        known = line[np.isfinite(fitness[line])]
        np.add.at(gains, operator[known[1:]], np.diff(fitness[known]))
    names = pl.Series("operator", OPERATORS, dtype=pl.Enum(OPERATORS))
    return pl.DataFrame({"operator": names, "line_gain": gains / max(len(rows), 1)})


def _told(table: pl.DataFrame, earned: float, objective: str, name: str) -> tuple[str, dict[str, object]]:
    evaluated, n = int(table["evaluated"].sum()), int(table["births"].sum())
    figures: dict[str, object] = {
        "births": n,
        "evaluated": evaluated,
        "earned": earned,
        "summed_gain": float(table["summed_gain"].sum()),
        "objective": objective,
        "lines_to": name,
    }
    if earned <= 0.0:
        return f"No birth of {n:,} was better than its parents by {objective}.", figures
    first, paid = table.row(0, named=True), table.filter(pl.col("earned_per_evaluation").is_not_null())
    figures["most"] = first["operator"]
    sentence = (
        f"{first['operator']} earned {first['earned_share']:.0%} of what births gained over their better parent by "
        f"{objective}: {first['improved']:,} of {first['compared']:,} improved on it ({first['improved_share']:.1%})."
    )
    if paid.height > 1:
        dear = paid.sort("earned_per_evaluation", descending=True).row(0, named=True)
        figures["most_per_evaluation"] = dear["operator"]
        sentence += f" An evaluation paid most in {dear['operator']} ({dear['earned_per_evaluation']:.4f} each)."
    line = table.sort("line_gain", descending=True).row(0, named=True)
    if line["line_gain"] and line["line_gain"] > 0.0:
        figures["most_on_lines"] = line["operator"]
        sentence += f" On the lines to the {name}, {line['operator']} added most ({line['line_gain']:+.3f} a line)."
    return sentence, figures
