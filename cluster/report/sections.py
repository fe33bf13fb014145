"""The parts of the report page that are text and tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from cluster.report.battery import battery_block
from cluster.report.gates import gate_list, interval_rows
from cluster.report.markup import Html, element, joined, section, table
from cluster.report.numbers import (
    HEADLINE,
    NOT_READ,
    NOTHING,
    SEGMENTS,
    TITLES,
    by_merit,
    count,
    deflated_sharpe,
    duration,
    figure,
    gates_passed,
    segment_figure,
    tried_note,
)
from cluster.report.regimes import regime_tables
from strategies.errors import StudbookError
from strategies.strategy_json import strategy_from_dict
from strategies.wording import condition_text, gate_texts, setting_texts, vote_text, voters_of

if TYPE_CHECKING:
    from cluster.view import JobView

DETAIL = ("sharpe", "sortino", "cagr", "total_return", "max_drawdown", "calmar", "n_trades", "win_rate",
          "profit_factor", "expectancy", "exposure", "turnover", "skew", "kurtosis")  # fmt: skip

READING = {
    "In sample": "The walk-forward folds that evolution was scored on. These figures always flatter: they are those of "
    "the best of many tries.",
    "Validation": "Bars that evolution never saw. Candidates had to do well here before their lockbox was touched.",
    "Lockbox": "The last stretch of every shard, never seen by evolution, and read once for those that passed every "
    "other gate. “Not read” means that a candidate failed before; its lockbox stays unspoilt.",
    "Buy and hold": "All equity bought at the second open of each stretch and sold at its end, with the same costs.",
    "Sharpe": "Mean over standard deviation of per-bar returns, a year, all shards as one account of equal weight.",
    "Beyond holding": "What is left of a return after taking off what the strategy's own mean exposure so far would "
    "have earned by just being held. Being long in a rising market is no skill; the gates judge what is beyond.",
    "Deflated Sharpe (DSR)": "The probability that the Sharpe beyond holding is better than the best that luck alone "
    "would have shown among all ways of trading that were ever tried on these bars, by this job and those before. "
    "Below the gate, the honest reading is that luck explains it.",
    "Intervals": "95 % intervals of the stationary bootstrap: the bars drawn again and again in blocks.",
    "Fills": "A decision at a close fills at the next open, slippage against you, a fee on both sides. If stop and "
    "target lie inside one bar, the stop is taken.",
    "Figures": "All are computed by replay from the journal and files beside this page; none is typed by hand.",
}


def verdict_section(view: "JobView") -> Html:
    """Return the opening: what came of it, in one sentence, and the figures that matter most."""
    status = {"finished": "passed" if view.elites else "nothing", "running": "open"}.get(view.status, "open")
    word = {"passed": count(len(view.elites), "elite"), "nothing": "Nothing passed", "open": view.status.capitalize()}
    sentence = view.verdict or f"The job is {view.status}; what follows is where it stands."
    best = max((record for record in view.candidates), key=deflated_sharpe, default=None)
    survival = NOTHING if best is None or deflated_sharpe(best) < 0 else f"{deflated_sharpe(best):.3f}"
    work = f"{count(len(view.epochs), 'epoch')}, {count(len(view.repairs), 'repair')}"
    tiles = [
        ("Ways of trading tried", f"{view.n_trials:,}", tried_note(view)),
        ("Candidates judged", str(len(view.candidates)), f"{_n_read(view)} read the lockbox"),
        ("Elites", str(len(view.elites)), "passed every gate"),
        ("Best deflated Sharpe", survival, _needed(view.config.gates.dsr)),
        ("Time under way", duration(view.seconds), work),
    ]  # fmt: skip
    cells = [
        element("div", element("dt", name), element("dd", value), element("p", note), class_="tile")
        for name, value, note in tiles
    ]
    return element(
        "section",
        element("p", word[status], class_=f"stamp {status}"),
        element("p", sentence, class_="verdict"),
        element("dl", *cells, class_="tiles"),
        id="verdict",
    )


def _needed(threshold: float | None) -> str:
    return "its gate is off" if threshold is None else f"gate at {threshold:g}"


def _n_read(view: "JobView") -> int:
    return sum(record["lockbox"] is not None for record in view.candidates)


def candidates_section(view: "JobView") -> Html:
    """Return the table of all candidates side by side; elites first, the others marked as not promoted."""
    if not view.candidates:
        text = "No candidate was judged: no strategy was feasible, or the job has not come that far."
        return section("candidates", "Candidates", element("p", text))
    ordered = by_merit(view.candidates)
    title = "Elites and other candidates" if view.elites else "Candidates, none promoted"
    lead = "The small figure under each is buy and hold on the same bars, with the same costs."
    if not view.elites:
        lead = f"The best of what was bred, shown so that you can see what failed; none of it is a finding. {lead}"
    rows = [row for record in ordered for row in _candidate_rows(record)]
    head = element("tr", *(element("th", name, class_=kind, scope="col") for name, kind in _candidate_head()))
    body = element("table", element("thead", head), element("tbody", *rows), class_="candidates")
    return section("candidates", title, element("p", lead, class_="lead"), element("div", body, class_="scroll"))


def _candidate_head() -> list[tuple[str, str | None]]:
    return [("Strategy", None), ("", None), *((TITLES[name], "num") for name in HEADLINE), ("Gates", "num")]


def _candidate_rows(record: Mapping[str, Any]) -> list[Html]:
    """Three rows for a candidate, one a segment, with buy and hold in small beside each figure."""
    chip = element("span", "elite" if record["passed"] else "not promoted", class_="chip " + _tone(record["passed"]))
    link = element("a", record["id"][:8], href=f"#s-{record['id']}", class_="id")
    rules = element("td", element("p", record["text"], class_="rules"), joined(chip, " ", link), rowspan="3")
    gates = element("td", gates_passed(record), class_="num", rowspan="3")
    rows = []
    for index, (segment, name) in enumerate(SEGMENTS.items()):
        hold = (record.get("benchmark") or {}).get(segment) or {}
        cells = [_figure_cell(record, segment, measure, hold) for measure in HEADLINE]
        ends = (rules, gates) if index == 0 else (Html(""), Html(""))
        rows.append(element("tr", ends[0], element("td", name, class_="segment"), *cells, ends[1], class_=segment))
    return rows


def _figure_cell(record: Mapping[str, Any], segment: str, measure: str, hold: Mapping[str, Any]) -> Html:
    text = segment_figure(record, segment, measure)
    if text == NOT_READ:
        return element("td", text if measure == HEADLINE[0] else "", class_="num quiet")
    beside = "" if measure == "n_trades" else element("small", figure(measure, hold.get(measure)))
    return element("td", text, beside, class_="num")


def _tone(passed: object) -> str:
    return "good" if passed else "bad"


def strategy_section(record: Mapping[str, Any], *figures: Html) -> Html:
    """Return one candidate in full: rules, curves, gates, measures, shards."""
    title = "Elite" if record["passed"] else "Candidate, not promoted"
    return element(
        "section",
        element("h2", f"{title} ", element("code", record["id"])),
        _clauses(record),
        *figures,
        element("h3", "Gates"),
        gate_list(record),
        *battery_block(record),
        element("div", _measures(record), _shards(record), class_="columns"),
        regime_tables(record),
        id=f"s-{record['id']}",
        class_="strategy",
    )


def _clauses(record: Mapping[str, Any]) -> Html:
    """The rules, a line a clause and one a condition; a strategy of an unknown schema is given as its text."""
    try:
        strategy = strategy_from_dict(record["strategy"], record["id"])
    except StudbookError:
        return element("div", element("p", record["text"]), class_="clauses")
    side = {"both": "long, and short on the mirrored rule,"}.get(strategy.direction, strategy.direction)
    lines = []
    for words, rule, voters in (
        (f"Enter {side} when", strategy.entry, voters_of(strategy)),
        ("Leave when", strategy.exit, ()),
    ):
        votes = [(condition.weight, condition_text(condition)) for condition in rule.conditions]
        votes += [(learner.weight, vote_text(slot, learner)) for slot, learner in voters]
        if votes:
            many = _how_many(rule.needed, [weight for weight, _ in votes])
            texts = [f"{text} (counts {weight} times)" if weight > 1 else text for weight, text in votes]
            lines.append(element("li", element("strong", words + many), element("ul", *map(_item, texts))))
    if strategy.conflict != "votes":
        told = {"net": "are subtracted", "veto": "forbid the entry"}[strategy.conflict]
        lines.append(_item(f"votes of learners for the other side {told}"))
    lines += [_item(text) for text in gate_texts(strategy) + setting_texts(strategy)]
    return element("ul", *lines, class_="clauses")


def _item(text: str) -> Html:
    return element("li", text)


def _how_many(needed: int, weights: Sequence[int]) -> str:
    if len(weights) == 1:
        return ""
    if needed >= sum(weights):
        return f" {'both' if len(weights) == 2 else 'all'} hold"
    if all(weight >= needed for weight in weights):
        return " one of these holds"
    return f" {needed} of these {sum(weights)} votes are for it"


def _measures(record: Mapping[str, Any]) -> Html:
    hold = (record.get("benchmark") or {}).get("in_sample") or {}
    rows = []
    for name in DETAIL:
        figures = [segment_figure(record, segment, name) for segment in SEGMENTS]
        rows.append([TITLES[name], *figures, figure(name, hold.get(name))])
        rows += interval_rows(record, name)
    return table(["Measure", *SEGMENTS.values(), "Hold, in sample"], rows, caption="All shards as one account")


def _shards(record: Mapping[str, Any]) -> Html:
    rows = [
        [f"{shard['symbol']} {shard['timeframe']}", *(segment_figure(shard, segment, "sharpe") for segment in SEGMENTS),
         segment_figure(shard, "in_sample", "n_trades")]
        for shard in record.get("per_shard") or []
    ]  # fmt: skip
    return table(["Sharpe on", *SEGMENTS.values(), "Trades"], rows, caption="Each shard on its own")


def data_section(view: "JobView") -> Html:
    """Return the shards that were bred on, with the hashes that say which bars these were."""
    rows = [
        [shard["symbol"], shard["timeframe"], f"{shard['n_bars']:,}", shard["start"][:10], shard["end"][:10],
         f"{shard['quality']:.3f}", shard["content_hash"][:16]]
        for shard in view.shards
    ]  # fmt: skip
    head = ["Symbol", "Timeframe", "Bars", "From", "To", "Quality", "Content hash"]
    return section("data", "Data", table(head, rows, numeric_from=2))


def screen_text(view: "JobView") -> str:
    """Return what the screen did, in a few sentences; empty where none was set."""
    generations = [(epoch["island"], one) for epoch in view.epochs for one in epoch["screen"]]
    if not generations:
        return ""
    settings = view.config.evolution.screen
    n_on = sum(one["mode"] == "on" for _, one in generations)
    offs = sorted({island for island, one in generations if one["turned_off"]})
    found = [one["agreement"] for _, one in generations if one["agreement"] is not None]
    agreement = f"{sum(found) / len(found):.2f} on average, {min(found):.2f} at the lowest" if found else "not measured"
    fell = f" It fell below {settings.min_agreement:g} and turned itself off on island {', '.join(map(str, offs))}."
    off = fell if offs else ""
    alone = count(view.n_screened_out, "strategy", "strategies")
    share = view.n_screened_out / max(view.n_evaluated, 1)
    return (
        f"A screen looked at children on about {settings.cells:.0%} of the cells first and kept the best "
        f"{settings.keep:.0%}. It was on in {n_on} of {count(len(generations), 'generation')}. Its ranks agreed with "
        f"the full ones by {agreement} (Spearman's rho).{off} {alone} ({share:.0%}) were seen by it alone; they count "
        "as tried."
    )


def config_section(view: "JobView") -> Html:
    """Return the resolved job file and the versions it ran with."""
    text = yaml.safe_dump(view.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    made = [f"{name} {value}" for name, value in (view.created.get("versions") or {}).items()]
    made += [f"gene table {view.created.get('gene_table', NOTHING)}", f"config {view.created['config_hash'][:16]}"]
    lines: Sequence[str] = (element("p", " · ".join(made), class_="lead"), element("pre", text))
    return section("config", "Job file", element("details", element("summary", "Every setting, resolved"), *lines))


def reading_section() -> Html:
    """Return how the figures are to be read."""
    terms = [joined(element("dt", term), element("dd", meaning)) for term, meaning in READING.items()]
    return section("reading", "How to read this", element("dl", *terms, class_="reading"))
