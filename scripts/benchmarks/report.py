"""What was measured, as a table, JSON and plots."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cells import AUTOTUNE, COMPETITORS, TRAINER
from benchmarks.plots import draw

TABLE, NUMBERS = "benchmark.md", "benchmark.json"

Results = dict[str, Any]


def write(results: Results, output: Path) -> None:
    """Everything so far."""
    results["summary"] = {name: summary(cell, clock_of(results)) for name, cell in results["cells"].items()}
    (output / NUMBERS).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (output / TABLE).write_text(table(results), encoding="utf-8")
    draw(results, output)


def clock_of(results: Results) -> str:
    """CPU time is blind to other users of the machine, but with several threads it counts their waiting, too."""
    return "cpu" if results["machine"]["threads"] == 1 else "wall"


def summary(cell: Results, clock: str) -> Results:
    """Figures of every competitor of a cell: medians over the rounds, with the least and the most."""
    peaks = {
        dtype: median(max(rate[clock] for rate in rates[dtype].values()) for rates in cell["gemm"])
        for dtype in (cell["gemm"][0] if cell["gemm"] else ())
    }
    figures: Results = {}
    for name, runs in cell["runs"].items():
        rates = [run["tokens"] / run[clock] for run in runs]
        # Rounds are compared within themselves: what slows the machine slows all of a round.
        against = [
            rate / (other["tokens"] / other[clock])
            for rate, other in zip(rates, cell["runs"].get(TRAINER, []), strict=False)
        ]
        figures[name] = {
            "tokens_per_second": _spread(rates),
            "tokens_per_second_wall": _spread([run["tokens"] / run["wall"] for run in runs]),
            "ratio_to_trainer": _spread(against) if against else None,
            "padding": runs[0].get("padding"),
            "utilisation": _spread(
                [run["flops"] / run[clock] / 1e9 / peaks[arithmetic(name)] for run in runs]
            )
            if peaks
            else None,
            "memory_mb": max(run["memory"] for run in runs),
            "final_loss": runs[0]["losses"][-1] if "losses" in runs[0] else None,
            "held_out_loss": runs[0].get("held_out_loss"),
            "score": runs[0].get("score"),
            "extrapolated": runs[0].get("extrapolated"),
        }
    return {"gemm_peaks": peaks, "competitors": figures, "same_losses": _same_losses(cell)}


def arithmetic(competitor: str) -> str:
    """Whose peak a competitor's utilisation is measured against."""
    return "bf16" if competitor.endswith("bf16") else "fp32"


def _spread(values: list[float]) -> Results:
    return {"median": median(values), "least": min(values), "most": max(values)}


def _same_losses(cell: Results) -> float | None:
    """The largest difference of a step's loss between Trainer and autotune, dropout off."""
    runs = cell.get("without_dropout", {})
    if not {TRAINER, AUTOTUNE} <= runs.keys():
        return None
    return max(abs(a - b) for a, b in zip(runs[TRAINER]["losses"], runs[AUTOTUNE]["losses"], strict=True))


def table(results: Results) -> str:
    """Markdown."""
    machine = results["machine"]
    clock = "CPU time" if clock_of(results) == "cpu" else "wall time"
    lines = [
        "# Benchmark",
        "",
        f"{results['began']}, {machine['processor']}, {machine['threads']} of {machine['cores']} threads, load "
        f"{machine['load']:.1f} at the start; torch {machine['torch']}, transformers {machine['transformers']}, "
        f"accelerate {machine['accelerate']}. Texts: {results['texts']}.",
        "",
        f"Rates are real tokens per second of {clock}: median over the rounds, least–most in brackets. Utilisation: "
        "FLOPs of the matrix products that the real tokens need, over the machine's best matrix product in the same "
        "arithmetic. In a "
        "round every competitor runs once; ratios are taken within rounds.",
        "",
        *(f"- **{one.name}**: {one.said}" for one in COMPETITORS),
    ]
    for name, figures in results["summary"].items():
        lines += ["", f"## {name}", "", *_rows(figures)]
        if figures["gemm_peaks"]:
            peaks = ", ".join(
                f"{peak:.0f} GFLOP/s in {dtype}" for dtype, peak in figures["gemm_peaks"].items()
            )
            lines += ["", f"Best matrix product: {peaks}."]
        if figures["same_losses"] is not None:
            lines += [
                "With dropout off, the losses of Trainer's and autotune's steps differ by at most "
                f"{figures['same_losses']:.1g}."
            ]
        lines += _profiles(results["cells"][name].get("profiles", {}))
    return "\n".join(lines) + "\n"


def _rows(figures: Results) -> list[str]:
    lines = [
        "| | tokens/s | × trainer | tokens/s (wall) | padding | utilisation | peak memory | last loss | held-out loss | score |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in figures["competitors"].items():
        lines.append(
            f"| {name}{' (extrapolated)' if one['extrapolated'] else ''} | {_range(one['tokens_per_second'], '.0f')} | "
            f"{_range(one['ratio_to_trainer'], '.2f')} | {_middle(one['tokens_per_second_wall'], '.0f')} | "
            f"{_share(one['padding'])} | {_share(one['utilisation'] and one['utilisation']['median'])} | "
            f"{one['memory_mb']:.0f} MB | {_number(one['final_loss'])} | {_number(one['held_out_loss'])} | "
            f"{_number(one['score'])} |"
        )
    return lines


def _profiles(profiles: Results) -> list[str]:
    lines = []
    for name, profile in profiles.items():
        lines += [
            "",
            f"Where {name} spends its CPU time:",
            "",
            "| operator | share | s | calls |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {one['name']} | {one['share']:.1%} | {one['seconds']:.2f} | {one['calls']} |"
            for one in profile["operators"][:14]
        ]
    return lines


def _range(spread: Results | None, form: str) -> str:
    if spread is None:
        return ""
    return f"{spread['median']:{form}} [{spread['least']:{form}}–{spread['most']:{form}}]"


def _middle(spread: Results, form: str) -> str:
    return f"{spread['median']:{form}}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
