"""One competitor in one cell, in a process of its own: waits for commands on its input, answers on its output.

A process each, so that the peak of memory is the competitor's own; kept alive between repeats, so that A B C A B C
costs no imports.
"""

import contextlib
import ctypes
import gc
import json
import logging
import os
import resource
import sys
from pathlib import Path
from typing import Any

from autotune.tasks.base import padded_lengths


def peak_megabytes() -> float:
    """Most resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def give_memory_back() -> None:
    """What is free goes back to the system, so that the process waits for its turn small."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def probe_of(prepared: Any) -> Any:
    """Makes the inputs of one row with given numbers of source and target tokens; see `flops.Work`."""
    import torch

    generates, family = prepared.task.labels() is None, prepared.base.family
    vocabulary = prepared.base.config.vocab_size

    def probe(source: int, target: int) -> dict[str, Any]:
        length = source + target if generates and family == "decoder" else source
        inputs = {"input_ids": torch.randint(5, vocabulary, (1, length))}
        if family == "encoder-decoder":
            inputs["input_ids"][:, -1] = prepared.task.tokenizer.eos_token_id
        if generates and family == "encoder-decoder":
            inputs["decoder_input_ids"] = torch.randint(5, vocabulary, (1, target))
        return inputs

    return probe


class Worker:
    """Holds what is opened between repeats."""

    def __init__(self, order: dict[str, Any]) -> None:
        import torch

        from benchmarks.cells import Cell

        torch.set_num_threads(order["threads"])
        self.order, self.cell = order, Cell(**order["cell"])
        self.name, self.steps = order["competitor"], order["steps"]

    def open(self) -> dict[str, Any]:
        """Rows and features; the first process of a cell makes the tables, the others find them."""
        from benchmarks.setting import open_cell

        self.opened = open_cell(
            self.cell.task,
            self.cell.shape,
            Path(self.order["folder"]),
            Path(self.order["data"]) if self.order["data"] else None,
            method=self.cell.method,
            steps=self.steps,
            held_out=self.order["held_out"],
        )
        return {"memory": peak_megabytes()}

    def run(self, *, dropout: bool, score: bool, steps: int | None = None) -> dict[str, Any]:
        """Does the steps once with fresh weights."""
        from autotune.config.enums import Precision
        from benchmarks import ours, peers
        from benchmarks.cells import AUTOTUNE, AUTOTUNE_BF16, GROUPED
        from benchmarks.setting import fresh_model, held_out_loss

        count = steps or self.steps
        model = fresh_model(self.opened, self.cell, dropout=dropout)
        seen = {"positions": 0}
        hook = model.register_forward_pre_hook(self._counter(seen), with_kwargs=True)
        run = ours.Run()
        if self.name in (AUTOTUNE, AUTOTUNE_BF16):
            precision = Precision.bf16 if self.name == AUTOTUNE_BF16 else Precision.fp32
            trained = ours.train(self.opened, model, count, run, precision=precision)
        else:
            output = str(Path(self.order["folder"]) / "trainer")
            trained = peers.train(self.name, self.opened, model, count, run, output)
        hook.remove()
        order = peers.order_for(self.name, self.opened, count)
        seconds = {clock: run.seconds(clock) for clock in ("cpu", "wall")}
        result = {
            **{clock: sum(each) for clock, each in seconds.items()},
            "seconds": seconds,
            "losses": run.losses,
            "steps": count,
            "positions": seen["positions"],
            "memory": peak_megabytes(),
            **self._work(order),
        }
        result["padding"] = 1 - result["tokens"] / result["positions"]
        if self.name == GROUPED:
            self._weigh(result, order)
        if not steps:
            self._extrapolate(result)
        if score:
            result["held_out_loss"] = held_out_loss(self.opened, trained)
            result["score"] = self._score(trained)
        return result

    def _weigh(self, result: dict[str, Any], order: list[Any]) -> None:
        """Steps that stand for equal shares of an epoch's padded tokens: what such a token costs is averaged, and
        how many of them the epoch has for a real one is known."""
        from benchmarks.peers import grouped_epoch

        each = [self._work([step]) for step in order]
        epoch = self._work(grouped_epoch(self.opened))
        for clock, seconds in result["seconds"].items():
            costs = [one / work["padded_whole"] for one, work in zip(seconds, each, strict=True)]
            result[clock] = epoch["padded_whole"] * sum(costs) / len(costs)
        share = result["tokens"] / epoch["tokens"]
        result |= {clock: result[clock] * share for clock in result["seconds"]}
        result["flops"] = epoch["flops"] * share
        result["padding"] = 1 - epoch["tokens"] / epoch["padded_whole"]

    def _extrapolate(self, result: dict[str, Any]) -> None:
        """Who does fewer steps is charged for all: by their number where every row has the same length, else
        by their padded tokens."""
        from benchmarks import ours
        from benchmarks.cells import AUTOTRAIN

        asked = self.order["steps_of_all"]
        if asked == result["steps"]:
            return
        whole = self._work(ours.steps(self.opened, asked))
        factor = asked / result["steps"]
        if self.name != AUTOTRAIN:
            factor = whole["padded_whole"] / result["padded_whole"]
        result |= {"extrapolated": factor, "cpu": result["cpu"] * factor, "wall": result["wall"] * factor}
        result |= {"tokens": whole["tokens"], "flops": whole["flops"]}

    @staticmethod
    def _counter(seen: dict[str, int]) -> Any:
        """Counts the positions that the model was given, padding included."""

        def count(_: Any, __: Any, named: dict[str, Any]) -> None:
            seen["positions"] += named["input_ids"].numel()
            other = named.get("decoder_input_ids")
            if other is not None:
                seen["positions"] += other.numel()

        return count

    def _work(self, steps: list[Any]) -> dict[str, float]:
        """Real tokens of the steps, and the FLOPs that they need."""
        import numpy as np

        from autotune.data.batches import padded_tokens

        prepared = self.opened.prepared
        lengths = padded_lengths(prepared.features["train"])
        work = self._flops()
        return {
            "tokens": int(sum(lengths[step].sum() for step in steps)),
            "flops": float(np.sum([work.of(lengths[step]) for step in steps])),
            "padded_whole": int(sum(padded_tokens(lengths[step]) for step in steps)),
        }

    def _flops(self) -> Any:
        """What a token needs of this model."""
        if not hasattr(self, "_needed"):
            from benchmarks.flops import Work
            from benchmarks.setting import fresh_model

            prepared = self.opened.prepared
            generates, family = prepared.task.labels() is None, prepared.base.family
            model = fresh_model(self.opened, self.cell, dropout=False).train()
            self._needed = Work(model, probe_of(prepared), causal=family == "decoder", generates=generates)
        return self._needed

    def _score(self, model: Any) -> float | None:
        """The task's main figure on held-out rows; None for summaries, which untrained models do not write."""
        if self.opened.prepared.task.labels() is None:
            return None
        from autotune.config.enums import Precision
        from autotune.evaluation.evaluator import Evaluator
        from autotune.training import device

        evaluator = Evaluator(self.opened.prepared.task, device.accelerator(Precision.fp32), 4096)
        features, rows = self.opened.held_out
        return evaluator.score(model, features, rows).best

    def predict(self) -> dict[str, Any]:
        """Writes summaries of the held-out rows."""
        from benchmarks.generation import predict

        return {
            **predict(self.name, self.opened, self.cell, self.order["folder"]),
            "memory": peak_megabytes(),
        }

    def profile(self, *, steps: int) -> dict[str, Any]:
        """Where the time of some steps goes, by torch's own operators."""
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            result = self.run(dropout=True, score=False, steps=steps)
        total = sum(event.self_cpu_time_total for event in profiler.key_averages())
        top = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)[:25]
        operators = [
            {
                "name": event.key,
                "share": event.self_cpu_time_total / total,
                "seconds": event.self_cpu_time_total * 1e-6,
                "calls": event.count,
            }
            for event in top
        ]
        return {**result, "operators": operators}


def serve() -> None:
    """Answers commands until the input ends; what libraries print goes to the error output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import transformers

    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    worker = Worker(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(worker, command.pop("do"))(**command)
        give_memory_back()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
