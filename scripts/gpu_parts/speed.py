"""How fast: tokens per second, utilisation and memory beside transformers.Trainer on the same optimizer steps."""

from functools import partial
from statistics import median
from typing import Any

import torch
from benchmarks import ours, peers
from benchmarks.cells import BF16, Cell
from benchmarks.flops import Work
from benchmarks.setting import fresh_model
from benchmarks.worker import probe_of

from autotune.config.enums import Batching, Precision
from autotune.tasks.base import padded_lengths
from gpu_parts.setting import Figures, Part, Setting, peak_gb

CELLS = {
    Cell("sentiment", "full", "bert-base"): 128,
    Cell("ner", "full", "bert-base"): 128,
    Cell("summarization", "full", "t5-base"): 32,
    Cell("sentiment", "lora", "llama-1b"): 64,
}
"""Rows per optimizer step."""
STEPS, ROUNDS = 8, 3
PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "L40S": 362e12, "L4": 121e12, "A10G": 125e12}
"""FLOP/s of dense bf16 products, from NVIDIA's data sheets (SXM versions)."""


def beside_trainer(cell: Cell, setting: Setting) -> Figures:
    """autotune, exact and packed, and Trainer, all in bf16, in turns."""
    steps, rounds = (2, 1) if setting.rehearse else (STEPS, ROUNDS)
    opened = setting.open(cell, steps=steps, batch_size=8 if setting.rehearse else CELLS[cell])
    lengths = padded_lengths(opened.prepared.features["train"])
    work = Work(
        fresh_model(opened, cell, dropout=False).train(),
        probe_of(opened.prepared),
        causal=opened.prepared.base.family == "decoder",
        generates=opened.prepared.task.labels() is None,
    )
    chosen = ours.steps(opened, steps)[1:]  # the first step loads kernels
    tokens, flops = (
        sum(int(lengths[step].sum()) for step in chosen),
        sum(work.of(lengths[step]) for step in chosen),
    )

    def train(name: str) -> tuple[float, float | None, float]:
        model, run = fresh_model(opened, cell, dropout=True), ours.Run()
        if name == "Trainer":
            _, peak = peak_gb(
                lambda: peers.train(BF16, opened, model, steps, run, str(setting.scratch / "trainer"))
            )
        else:
            options: dict[str, Any] = {"precision": Precision.bf16, "batching": Batching(name)}
            _, peak = peak_gb(lambda: ours.train(opened, model, steps, run, **options))
        return sum(run.seconds("wall")[1:]), peak, run.losses[-1]

    names = (
        ("Trainer", "exact", "packed")
        if opened.prepared.base.family != "encoder-decoder"
        else ("Trainer", "exact")
    )
    found = {name: [] for name in names}  # type: dict[str, list[tuple[float, float | None, float]]]
    for _ in range(rounds):
        for name in names:
            found[name].append(train(name))
    figures: Figures = {}
    peak_rate = _peak_rate()
    for name, taken in found.items():
        seconds = [one[0] for one in taken]
        figures[f"{name} tokens/s"] = round(median(tokens / each for each in seconds))
        if peak_rate is not None:
            figures[f"{name} MFU"] = round(median(flops / each for each in seconds) / peak_rate, 3)
            figures[f"{name} peak GB"] = taken[0][1]
        figures[f"{name} last loss"] = taken[0][2]
        if name != "Trainer":
            ratios = [first[0] / each for first, each in zip(found["Trainer"], seconds, strict=True)]
            figures[f"{name} × Trainer"] = f"{median(ratios):.2f} [{min(ratios):.2f}–{max(ratios):.2f}]"
    return figures


def _peak_rate() -> float | None:
    """FLOP/s of this GPU; None on a CPU, and where its data sheet is not listed."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((rate for part, rate in PEAKS.items() if part in name), None)


PARTS: dict[str, Part] = {f"speed-{cell.name}": partial(beside_trainer, cell) for cell in CELLS}
