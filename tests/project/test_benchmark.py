"""The figures of scripts/benchmark: the FLOPs that are said to be needed, and the work that is compared."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.support import ROOT

SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks import cells, report, rows, setting, shapes  # noqa: E402
from benchmarks.worker import Worker  # noqa: E402


@pytest.fixture(scope="module")
def work_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture
def worker(work_folder, monkeypatch):
    """Opens a cell on made-up words, with few and small rows."""
    monkeypatch.setattr(rows, "MADE_UP", {"sentiment": (70, 8), "ner": (70, 8), "summarization": (70, 8)})

    def make(cell: cells.Cell, competitor: str, folder: Path = work_folder) -> Worker:
        order = {
            "cell": vars(cell), "competitor": competitor, "steps": 2, "steps_of_all": 2,
            "held_out": 8, "threads": torch.get_num_threads(), "folder": str(folder), "data": None,
        }  # fmt: skip
        made = Worker(order)
        made.open()
        return made

    return make


WIDE_T5 = {"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 8}


@pytest.mark.parametrize(
    ("cell", "lengths", "tolerance"),
    [
        (cells.Cell("sentiment", "full", "minilm"), [[40]], 0.01),
        (cells.Cell("sentiment", "lora", "minilm"), [[40]], 0.01),
        (cells.Cell("ner", "full", "minilm"), [[40]], 0.01),
        (cells.Cell("summarization", "full", "t5"), [[40, 12]], 0.01),
    ],
)
def test_the_flops_that_are_needed_are_those_that_torch_counts_for_a_row_alone(
    worker, cell, lengths, tolerance, tmp_path, monkeypatch
):
    """Of models with several layers of each kind and few words: the weights of real ones take seconds to make."""
    monkeypatch.setattr(setting, "open_cell", partial(setting.open_cell, tiny=True))
    monkeypatch.setattr(shapes, "TINY", shapes.TINY | {"num_hidden_layers": 3})
    monkeypatch.setattr(shapes, "TINY_T5", WIDE_T5)
    opened = worker(cell, cells.AUTOTUNE, tmp_path)
    needed = opened._flops().of(np.asarray(lengths))
    model = setting.fresh_model(opened.opened, cell, dropout=False).train()
    inputs = {"input_ids": torch.randint(5, 900, (1, lengths[0][0]))}
    if len(lengths[0]) > 1:
        inputs["decoder_input_ids"] = torch.randint(5, 900, (1, lengths[0][1]))
    # The kernel of one fused attention is not counted by torch on a CPU, so its parts are used.
    model.config._attn_implementation = "eager"
    with FlopCounterMode(display=False) as counter:
        model(**inputs).logits.sum().backward()
    assert counter.get_total_flops() == pytest.approx(needed, rel=tolerance)


def test_trainer_and_autotune_do_the_same_steps(worker, tmp_path, monkeypatch):
    monkeypatch.setattr(setting, "open_cell", partial(setting.open_cell, tiny=True))
    cell = cells.Cell("sentiment", "full", "minilm")
    one, other = (
        worker(cell, name, tmp_path).run(dropout=False, score=False)
        for name in (cells.TRAINER, cells.AUTOTUNE)
    )
    assert one["losses"] == pytest.approx(other["losses"], abs=1e-5)
    assert (one["tokens"], one["flops"]) == (other["tokens"], other["flops"])
    assert one["positions"] == one["padded_whole"] > other["positions"] >= other["tokens"]


def test_words_choose_cells_and_every_cell_has_its_own_name():
    assert [cell.name for cell in cells.chosen(["ner-lora", "full-summarization-t5"])] == [
        "ner-lora-minilm", "ner-lora-bert", "ner-lora-llama", "summarization-full-t5",
    ]  # fmt: skip
    assert len({cell.name for cell in cells.all_cells()}) == len(cells.all_cells())


def test_ratios_are_taken_within_rounds():
    runs = {"trainer": [1.0, 2.0, 4.0], "autotune": [0.5, 0.5, 1.0]}
    cell = {
        "gemm": [{"fp32": {"a": {"cpu": 100.0, "wall": 90.0}}, "bf16": {"a": {"cpu": 50.0, "wall": 50.0}}}],
        "runs": {
            name: [
                {"tokens": 100, "cpu": seconds, "wall": seconds, "flops": 1e9, "memory": 1.0}
                for seconds in taken
            ]
            for name, taken in runs.items()
        },
    }
    figures = report.summary(cell, "cpu")["competitors"]["autotune"]
    assert figures["ratio_to_trainer"] == {"median": 4.0, "least": 2.0, "most": 4.0}
    assert figures["utilisation"]["median"] == pytest.approx(0.02)
