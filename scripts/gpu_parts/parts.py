"""What must hold on a GPU: every task and precision trains, and what saves time or memory changes no result."""

import importlib.util
import json
import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import benchmarks.exchange
import torch
from benchmarks.cells import AUTOTUNE, GENERATION, TRAINER, Cell
from torch.optim.optimizer import register_optimizer_step_post_hook

from autotune.cli.main import main
from autotune.config.enums import Batching, Precision
from autotune.models.saved_model import load_saved_model
from autotune.runtime import child_process
from autotune.runtime.memory import is_out_of_memory
from autotune.training import compiling
from gpu_parts.setting import (
    Figures,
    Part,
    Setting,
    Skipped,
    arithmetics,
    difference,
    gradient,
    in_ranks,
    peak_gb,
    require,
)

MAIN_FIGURE = {"sentiment": "macro_f1", "ner": "entity_f1", "summarization": "rougeL"}
PACKED = (Cell("ner", "full", "bert-base"), Cell("sentiment", "lora", "llama-1b"))
REHEARSED = {("sentiment", "full"), ("ner", "lora"), ("summarization", "full")}
REHEARSED_ROWS = {"train": 6, "validation": 4, "test": 4}
"""Rows of each split in a rehearsal: three steps, so that a run can be interrupted after two."""
SMALL = Cell("sentiment", "full", "bert-base")
SHORT_TEXTS = "task.max_new_tokens=8"
"""Tiny models do not know when to end."""


def about(setting: Setting) -> Figures:
    """The device and the packages."""
    figures: Figures = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        figures |= {
            "device": properties.name,
            "memory_gb": round(properties.total_memory / 1e9, 1),
            "capability": f"{properties.major}.{properties.minor}",
            "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        }
    return figures


def run(words: Sequence[str]) -> int:
    """Runs `autotune` in this process, which has not used the GPU; its exit code."""
    child_process.prepare()  # a fork, in which the saved model is verified
    return main(words)


def command(setting: Setting, *words: str) -> Path:
    """Runs `autotune` in this process; its run folder."""
    name = "-".join(word.partition("=")[2].replace("/", "_") for word in words)
    words = (*words, *smoke(setting, name))
    code = run(words)
    require(code == 0, f"autotune {' '.join(words)} ended with exit code {code}")
    return setting.scratch / "runs" / name


def smoke(setting: Setting, name: str) -> list[str]:
    """Words of a short run, which is shorter in a rehearsal."""
    words = ["debug=smoke", "report.format=none", f"runs={setting.scratch}/runs", f"name={name}"]
    if setting.rehearse:
        words += [f"dataset.splits.{split}={split}[:{rows}]" for split, rows in REHEARSED_ROWS.items()]
        words += [
            "trainer.batch_size=2",
            "trainer.max_steps=3",
            "trainer.evaluate_every=3st",
            "task.max_length=32",
        ]
    return words


def trains(task: str, method: str, precision: str, setting: Setting) -> Figures:
    """A smoke run, its proof included."""
    if setting.rehearse and (task, method) not in REHEARSED:
        raise Skipped("a rehearsal trains each task once")
    if precision == "fp16":
        setting.need_gpu("fp16 with a gradient scaler")
    # T5 kinds overflow in fp16.
    words = ["model=tiny_bart"] if task == "summarization" and precision == "fp16" else []
    if setting.rehearse and task == "summarization":
        words.append(SHORT_TEXTS)
    peft = {"full": "none"}.get(method, method)
    folder, peak = peak_gb(
        lambda: command(setting, f"task={task}", f"peft={peft}", f"trainer.precision={precision}", *words)
    )
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    return {
        MAIN_FIGURE[task]: metrics["test"][MAIN_FIGURE[task]],
        "scored in": metrics["precision"]["scores"],
        "training seconds": metrics["training"]["seconds"],
        "peak GB": peak,
    }


def qlora(setting: Setting) -> Figures:
    """A base in 4 bits."""
    setting.need_gpu("a base in 4 bits")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise Skipped("bitsandbytes is not installed")
    return trains("sentiment", "qlora", "bf16", setting)


def packed_is_padded(setting: Setting) -> Figures:
    """Rows in one sequence give the gradient of padded rows."""
    figures: Figures = {}
    for cell in PACKED:
        opened = setting.open(cell)
        for precision, allowed in arithmetics():
            one, other = (
                gradient(
                    setting.trainer(
                        opened, cell, batching=batching, precision=precision, micro_batch_tokens=4096
                    )
                )
                for batching in (Batching.packed, Batching.exact)
            )
            found = difference(one, other)
            figures[f"{cell.name} {precision}"] = found
            require(found <= allowed, f"{cell.name} in {precision}: {found:.2g} apart, {allowed:g} allowed")
    return figures


def budget(setting: Setting) -> Figures:
    """The tokens per micro-batch that two measurements of memory find are enough, and leave room."""
    setting.need_gpu("a budget found by measuring memory")
    opened = setting.open(SMALL, batch_size=256)
    trainer = setting.trainer(opened, SMALL, dropout=True, precision=Precision.bf16, max_steps=3)
    began = trainer.plan.budget
    _, peak = peak_gb(lambda: list(trainer.steps()))
    require(trainer.plan.budget == began, f"memory was not enough for {began} tokens")
    total = torch.cuda.get_device_properties(0).total_memory / 1e9
    return {"tokens": began, "peak GB": peak, "of GB": round(total, 1)}


def out_of_memory(setting: Setting) -> Figures:
    """A step for which memory was not enough is done again in smaller pieces, with the same gradient."""
    opened = setting.open(SMALL, batch_size=64)
    expected = gradient(setting.trainer(opened, SMALL, precision=Precision.fp32, micro_batch_tokens=512))
    trainer = setting.trainer(opened, SMALL, precision=Precision.fp32, micro_batch_tokens=1 << 20)
    largest = max(trainer.plan.tokens(part) for part in trainer.micro_batches(0))
    if torch.cuda.is_available():
        # Room for weights, gradients and Adam's state, and for some of the activations.
        fixed = 20 * sum(parameter.numel() for parameter in trainer.parameters)
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, (fixed + 1.5e9) / total))
    else:
        _refuse_large_batches(trainer.model, largest // 2)
    found = difference(gradient(trainer), expected)
    require(trainer.plan.budget < largest, f"{largest} tokens at once were enough: nothing was provoked")
    require(found <= 1e-5, f"{found:.2g} apart")
    return {"tokens at first": largest, "tokens afterwards": trainer.plan.budget, "difference": found}


def _refuse_large_batches(model: Any, most: int) -> None:
    """A CPU that has no room for more than some padded tokens."""

    def refuse(_: Any, arguments: Any, named: Any) -> None:
        if named["input_ids"].numel() > most:
            raise torch.OutOfMemoryError("provoked")

    assert is_out_of_memory(torch.OutOfMemoryError("provoked"))
    model.register_forward_pre_hook(refuse, with_kwargs=True)


def resume(setting: Setting) -> Figures:
    """A run that was interrupted after two steps ends with the weights of one that was not."""
    runs = []
    for name in ("whole", "interrupted"):
        words = ["task=sentiment", *smoke(setting, name)]
        if setting.rehearse:
            words.append("check=none")
        if name == "interrupted":
            code = _in_fork(words, stop_after=2)
            require(code == 75, f"the run that met a SIGTERM ended with exit code {code}")
        code = _in_fork(words, stop_after=None)
        require(code == 0, f"autotune {' '.join(words)} ended with exit code {code}")
        runs.append(setting.scratch / "runs" / name / "model")
    states = [load_saved_model(run)[1].state_dict() for run in runs]
    apart = max(float((states[0][name].float() - states[1][name].float()).abs().max()) for name in states[0])
    same = (runs[0] / "model.safetensors").read_bytes() == (runs[1] / "model.safetensors").read_bytes()
    require(same or torch.cuda.is_available(), f"weights are up to {apart:.2g} apart")
    return {"same bytes": same, "largest difference": apart}


def _in_fork(words: list[str], stop_after: int | None) -> int:
    """The exit code of `autotune` in a fork, which a SIGTERM meets after some optimizer steps."""
    child = os.fork()
    if child == 0:
        if stop_after is not None:
            _terminate_after(stop_after)
        os._exit(run(words))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _terminate_after(steps: int) -> None:
    done = [0]

    def count(*_: Any) -> None:
        done[0] += 1
        if done[0] == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    register_optimizer_step_post_hook(count)


def compiled(setting: Setting) -> Figures:
    """torch.compile gives the losses of the model as it is."""
    if setting.rehearse:
        # The graphs are torch's own; making machine code of them would take minutes here.
        eager = torch.compile
        torch.compile = lambda model: eager(model, backend="eager")
        compiling.SIZES = 1  # every further length is traced again
    opened = setting.open(SMALL)
    losses, seconds = [], []
    for compile in (False, True):
        trainer = setting.trainer(
            opened,
            SMALL,
            precision=Precision.fp32,
            compile=compile,
            micro_batch_tokens=1024,
            max_steps=2 if setting.rehearse else 4,
        )
        steps = list(trainer.steps())
        losses.append([step.loss for step in steps])
        seconds.append(steps[-1].seconds)
    apart = max(abs(one - other) for one, other in zip(*losses, strict=True))
    require(apart <= 1e-3, f"losses are up to {apart:.2g} apart")
    return {"losses apart": apart, "last step": seconds[1] / seconds[0]}


def prefetch(setting: Setting) -> Figures:
    """Batches made ready ahead change no loss; what they save."""
    opened = setting.open(SMALL)
    losses, seconds = [], []
    for ahead in (True, False):
        trainer = setting.trainer(opened, SMALL, dropout=True, precision=Precision.bf16, max_steps=6)
        if not ahead:
            trainer.loader.prepare = lambda *_: None  # type: ignore[method-assign]
        began = time.perf_counter()
        losses.append([step.loss for step in trainer.steps()])
        seconds.append(time.perf_counter() - began)
    require(losses[0] == losses[1], f"losses differ: {losses}")
    return {"seconds with": seconds[0], "without": seconds[1]}


def generation(setting: Setting) -> Figures:
    """Our greedy decoding beside Seq2SeqTrainer's predict_with_generate, T5-base shape."""
    from benchmarks.generation import predict

    cell = Cell("summarization", "generation", "t5-base")
    opened = setting.open(cell, held_out=4 if setting.rehearse else 32)
    ours, peer = (predict(name, opened, GENERATION, str(setting.scratch)) for name in (AUTOTUNE, TRAINER))
    rates = [run["tokens"] / run["wall"] for run in (ours, peer)]
    same = sum(a == b for a, b in zip(ours["texts"], peer["texts"], strict=True)) / len(ours["texts"])
    return {"tokens/s": rates[0], "× Seq2SeqTrainer": rates[0] / rates[1], "same texts": same}


def exchange(setting: Setting) -> Figures:
    """A step over several GPUs beside DistributedDataParallel's."""
    count = torch.cuda.device_count()
    if count < 2 and not setting.rehearse:
        raise Skipped(f"gradients that travel between GPUs need two of them, and there is {count}")
    words = ["--tiny", "--rounds", "2"] if setting.rehearse else ["--rounds", "20", "--batch-size", "64"]
    figures_file = setting.scratch / "exchange-figures.json"

    def work() -> int:
        figures = benchmarks.exchange.rank(benchmarks.exchange.arguments(words), setting.scratch)
        if figures is not None:
            figures_file.write_text(json.dumps(figures), encoding="utf-8")
        return 0

    in_ranks(max(2, count), work)
    figures = json.loads(figures_file.read_text("utf-8"))
    return {name: figures[name]["wall"]["ratio"] for name in figures if "autotune" in name}


def sharding(setting: Setting) -> Figures:
    """A run whose model is divided among several GPUs learns what one GPU learns."""
    count = torch.cuda.device_count()
    if count < 2 and not setting.rehearse:
        raise Skipped(f"a model that is divided among GPUs needs two of them, and there is {count}")
    models = []
    for name in ("none", "fsdp"):
        words = ["task=summarization", "trainer.precision=fp32", f"trainer.sharding={name}", "check=none"]
        words += [SHORT_TEXTS, *smoke(setting, f"sharding-{name}")]
        in_ranks(max(2, count), partial(run, words))
        models.append(setting.scratch / "runs" / f"sharding-{name}" / "model")
    # Not before: what is forked of a process that has computed waits for threads that it does not have.
    weights = [load_saved_model(model)[1].state_dict() for model in models]
    apart = max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0])
    require(apart <= 1e-4, f"weights are up to {apart:.2g} apart")
    return {"largest difference": apart}


PARTS: dict[str, Part] = {
    "about": about,
    **{
        f"train-{task}-{method}-{precision}": partial(trains, task, method, precision)
        for precision in ("bf16", "fp16")
        for task in MAIN_FIGURE
        for method in ("full", "lora")
    },
    "qlora": qlora,
    "packed": packed_is_padded,
    "budget": budget,
    "memory": out_of_memory,
    "resume": resume,
    "compile": compiled,
    "prefetch": prefetch,
    "generation": generation,
    "exchange": exchange,
    "sharding": sharding,
}
