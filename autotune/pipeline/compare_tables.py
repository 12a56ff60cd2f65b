"""What a comparison shows: sentences and tables for every form of output, and the page with curves and rows."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from autotune.config.enums import CardLanguage
from autotune.evaluation.paired import RESAMPLES, holm
from autotune.evaluation.seeds import over_seeds, welch
from autotune.pipeline.compare import Comparison, FinishedRun, Pair
from autotune.reporting import charts
from autotune.reporting.curves import read_curves
from autotune.reporting.tables_page import Section, plain, quote, render_page
from autotune.reporting.texts import texts
from autotune.runtime.language import language, local, word
from autotune.runtime.table import Table, shown_interval

LEVEL = 0.05
"""Largest corrected p-value of a difference that is called one."""


def sentences(comparison: Comparison) -> list[str]:
    """Returns what the tests of the main metric mean, one sentence per pair, in the user's language."""
    return [local(_verdict(comparison, pair)) for pair in comparison.pairs]


def _verdict(comparison: Comparison, pair: Pair) -> str:
    difference, p_value = pair.differences[comparison.main], pair.corrected[comparison.main]
    low, high = difference.interval
    first, figures = (
        comparison.runs[0].name,
        f"{difference.value:+.4f} [{low:+.4f}, {high:+.4f}], p {p_value:.4f}",
    )
    if p_value > LEVEL or low <= 0 <= high:
        return (
            f"{comparison.main}: no difference beyond chance between {pair.run.name} and {first} ({figures})"
        )
    if difference.gain(greater_is_better=comparison.objective.greater_is_better).value > 0:
        return f"{comparison.main}: {pair.run.name} is better than {first} beyond chance ({figures})"
    return f"{comparison.main}: {pair.run.name} is worse than {first} beyond chance ({figures})"


def tables(comparison: Comparison) -> list[Table]:
    """Returns all tables, in the user's language."""
    return [*_main_tables(comparison), _translated(rows_table(comparison))]


def _main_tables(comparison: Comparison) -> list[Table]:
    """Returns the tables but that of rows, those of scores first."""
    made = (scores_table, differences_table, seeds_table, changes_table, settings_table)
    return [_translated(table(comparison)) for table in made]


def _translated(table: Table) -> Table:
    return table.translated(word, local)


def page(comparison: Comparison) -> str:
    """Returns the tables as a page, with the curves of all runs in the same charts and the rows that changed sides."""
    scores, *others = _main_tables(comparison)
    first = comparison.runs[0]
    quotes = [
        quote({first.name: one, pair.run.name: other}, comparison.target, word("gold"))
        for pair in comparison.pairs
        for one, other in pair.changed.examples
    ]
    about = f"{first.config.task.name}, {first.facts.dataset}: {comparison.rows} rows of {comparison.split}"
    return render_page(
        word("comparison"),
        [
            Section("", [local(about), *sentences(comparison)], [scores], _intervals(comparison)),
            Section(word("curves"), charts=_curves(comparison.runs, comparison.main)),
            *(Section(table.title, tables=[table.untitled()]) for table in others if table.rows),
            *([Section(_translated(rows_table(comparison)).title, quotes=quotes)] if quotes else []),
        ],
    )


def scores_table(comparison: Comparison) -> Table:
    """Returns one row per run: every metric with its 95 % interval."""
    split = comparison.split
    names = _metrics(comparison)
    rows = []
    for run in comparison.runs:
        bounds = run.facts.metrics.get("interval", {}).get(split, {})
        scores = run.facts.metrics[split]
        cells = [
            "—" if scores.get(name) is None else f"{scores[name]:.4f}" + shown_interval(bounds.get(name))
            for name in names
        ]
        rows.append([run.name, *cells])
    return Table(["run", *names], rows, f"scores on {split}, {comparison.rows} rows, with 95 % intervals")


def differences_table(comparison: Comparison) -> Table:
    """Returns one row per metric and pair: the difference, its interval, and the p-values."""
    rows = [
        [
            f"{pair.run.name} − {comparison.runs[0].name}",
            name,
            f"{difference.value:+.4f}{shown_interval(difference.interval, sign='+')}",
            f"{difference.p_bootstrap:.4f}",
            f"{difference.p_randomization:.4f}",
            f"{pair.corrected[name]:.4f}",
        ]
        for pair in comparison.pairs
        for name, difference in pair.differences.items()
    ]
    header = ["difference", "metric", "value", "p (bootstrap)", "p (randomization)", "p (Holm)"]
    title = f"paired tests on the same rows, {RESAMPLES} resamples, two-sided"
    return Table(header, rows, title, texts=2)


def seeds_table(comparison: Comparison) -> Table:
    """Returns one row per metric and group of runs that differ in the seed alone: mean, sd, and the interval of the mean.

    The p-value is that of the difference from the first group (Welch 1947), corrected for the number of groups (Holm 1979).
    """
    groups = [group for group in comparison.seed_groups() if len(group) > 1]
    rows = []
    for name in _metrics(comparison) if groups else ():
        scores = [[run.facts.metrics[comparison.split][name] for run in group] for group in groups]
        p_values = holm([welch(scores[0], values) for values in scores[1:]])
        for group, values, p_value in zip(groups, scores, [None, *p_values], strict=True):
            group_scores = over_seeds(values)
            rows.append(
                [
                    ", ".join(f"{run.name} ({run.config.seed})" for run in group),
                    name,
                    str(group_scores.n),
                    f"{group_scores.mean:.4f} ± {group_scores.sd:.4f}",
                    shown_interval(group_scores.interval).strip(),
                    "" if p_value is None else f"{p_value:.4f}",
                ]
            )
    header = ["runs (seed)", "metric", "n", "mean ± sd", "95 % interval of the mean", "p (Welch, Holm)"]
    return Table(header, rows, "over seeds: mean ± sample standard deviation (n - 1)", texts=2)


def settings_table(comparison: Comparison) -> Table:
    """Returns one row per key whose value differs between the runs."""
    first = comparison.runs[0]
    values: dict[str, dict[str, str]] = {}
    for pair in comparison.pairs:
        for change in pair.settings:
            key, _, change_text = change.partition(": ")
            old, _, new = change_text.partition(" -> ")
            values.setdefault(key, {first.name: old})[pair.run.name] = new
    rows = [
        [key, *(of_runs.get(run.name, of_runs[first.name]) for run in comparison.runs)]
        for key, of_runs in sorted(values.items())
    ]
    return Table(["key", *(run.name for run in comparison.runs)], rows, "settings that differ")


def changes_table(comparison: Comparison) -> Table:
    """Returns one row per pair: on how many rows each run scores better."""
    first = comparison.runs[0].name
    rows = [
        [f"{pair.run.name}, {first}", str(pair.changed.second), str(pair.changed.first),
         str(comparison.rows - pair.changed.first - pair.changed.second)]
        for pair in comparison.pairs
    ]  # fmt: skip
    header = ["pair", "the first is better", "the second is better", "equal"]
    return Table(header, rows, f"rows by {comparison.row_metric}")


def rows_table(comparison: Comparison) -> Table:
    """Returns the rows on which the runs of each pair differ most."""
    first, target = comparison.runs[0].name, comparison.target
    rows = [
        [
            f"{pair.run.name}, {first}",
            str(one.get("id")),
            plain(one, one.get(target)),
            plain(other, other["prediction"]),
            plain(one, one["prediction"]),
        ]
        for pair in comparison.pairs
        for one, other in pair.changed.examples
    ]
    header = ["pair", "id", "gold", "prediction of the first", "prediction of the second"]
    return Table(header, rows, "rows that changed sides, those with the largest difference", texts=5)


def _metrics(comparison: Comparison) -> list[str]:
    """Returns the metrics that all runs have, the main one first."""
    scores = [run.facts.metrics[comparison.split] for run in comparison.runs]
    names = [name for name in scores[0] if all(isinstance(values.get(name), float) for values in scores)]
    return sorted(names, key=lambda name: name != comparison.main)


def _intervals(comparison: Comparison) -> dict[str, Markup]:
    """Returns the chart of the main metric with its intervals."""
    rows = {}
    for run in comparison.runs:
        bounds = run.facts.metrics.get("interval", {}).get(comparison.split, {}).get(comparison.main)
        if bounds is not None:
            rows[run.name] = (bounds[0], run.facts.metrics[comparison.split][comparison.main], bounds[1])
    return {comparison.main: charts.intervals(comparison.main, rows, comparison.main)} if rows else {}


def _curves(runs: Sequence[FinishedRun], main: str) -> dict[str, Markup]:
    """Returns the charts of training by their captions, with one curve per run."""
    text = texts(CardLanguage(language()))
    curves = {run.name: read_curves(run.folder / "history.jsonl") for run in runs}
    series: Mapping[str, Mapping[str, charts.Points]] = {
        "loss": {name: of_run.steps["loss"] for name, of_run in curves.items()},
        "score": {name: of_run.validation.get(main, []) for name, of_run in curves.items()},
        "learning_rate": {name: of_run.steps["learning_rate"] for name, of_run in curves.items()},
        "grad_norm": {name: of_run.steps["grad_norm"] for name, of_run in curves.items()},
    }
    return {
        text(name): charts.lines(text(name), drawn, text("step"))
        for name, values in series.items()
        if (drawn := {run: points for run, points in values.items() if points})
    }
