"""Progress: a bar on a terminal and in a notebook, plain lines elsewhere."""

import io
import logging
import re
import sys
import types

import pytest

from autotune.runtime import progress
from autotune.runtime.progress import Progress, duration, rate
from tests.support.terminal import Terminal

WORK = """
import logging, sys
from autotune.cli.environment import console_logging
from autotune.runtime import progress
progress.SECONDS_BETWEEN_DRAWINGS = -1
with console_logging(sys.stdout):
    log = logging.getLogger("autotune.x")
    bar = progress.Progress("training", 200, examples=32, memory=lambda: 1.25)
    bar._bar.mininterval = bar._bar.miniters = 0
    for step in range(1, 101):
        bar.step("loss 0.41", "best {f1} 0.8812", "epoch 1.50")
        if step == 50:
            inner = progress.Progress("predicting", 10)
            inner.step()
            log.info("a line in the middle")
            inner.close()
            log.info("a line at the end")
    bar.close()
    log.info("trained")
"""
CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def drawings(output: str) -> list[str]:
    """What was written between two movements of the cursor to the start of a line."""
    return re.split("[\r\n]+", CODES.sub("\r", output))


@pytest.mark.parametrize(
    ("columns", "seen", "unseen"),
    [
        (160, "loss 0.41, best {f1} 0.8812, epoch 1.50, ", "no such text"),
        (80, "left, loss 0.41", "epoch"),
        (45, "left", "loss"),
        (24, "100/200", "left"),
    ],
)
def test_a_bar_has_what_the_terminal_has_room_for(columns, seen, unseen, tmp_path):
    code, output = Terminal("-c", WORK, cwd=tmp_path, columns=columns).ended()
    assert code == 0, output
    lines = drawings(output)
    bars = [line for line in lines if "/200" in line]
    assert seen in bars[-1] and unseen not in bars[-1] and "100/200" in bars[-1]
    assert ("training" in bars[-1]) == (columns >= 50)
    assert max(map(len, bars)) <= columns
    assert ("1.2 GB" in bars[-1]) == (columns == 160)
    # Messages have lines of their own, and the bar is gone at the end.
    assert {"a line in the middle", "a line at the end", "trained"} <= {line.rstrip() for line in lines}
    assert output.rstrip().endswith("trained")


def test_portuguese(tmp_path):
    code, output = Terminal("-c", WORK, cwd=tmp_path, columns=160, env={"AUTOTUNE_LANG": "pt"}).ended()
    assert code == 0 and "treino" in output and "perda 0.41, melhor {f1} 0.8812, época 1.50" in output
    assert "faltam cerca de" in output and "exemplos/s" in output


def test_elsewhere_a_log_of_ten_hours_has_some_hundred_lines(monkeypatch, caplog):
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    caplog.set_level(logging.INFO)
    work = Progress("training", 36_000, examples=8, memory=lambda: 2.0)
    moments = []
    for step in range(1, 36_000):
        clock = float(step)
        count = len(caplog.records)
        work.step(f"loss {1 / step:.4g}", "epoch 1.00")
        if len(caplog.records) > count:
            moments.append(step)
    assert moments[:3] == [30, 60, 90] and 100 < len(moments) < 200
    assert max(later - first for first, later in zip(moments, moments[1:], strict=False)) == 300
    line = caplog.records[0].getMessage()
    assert (
        line == "training 30/36000, about 9 h 59 min left, loss 0.03333, epoch 1.00, 8.0 examples/s, 2.0 GB"
    )


@pytest.mark.filterwarnings("error")
def test_a_notebook_has_a_bar(monkeypatch):
    screen = io.StringIO()  # as in a kernel, it is no terminal
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_DRAWINGS", -1)
    work = Progress("training", 3)
    for _ in range(3):
        work.step("loss 0.5")
        work._bar.refresh()
    work.close()
    assert "3/3, about 0 s left, loss 0.5" in screen.getvalue()


def test_times_and_speeds():
    assert [duration(seconds) for seconds in (8, 200, 7500)] == ["8 s", "3 min 20 s", "2 h 5 min"]
    assert [rate(value) for value in (3.14, 1024.4)] == ["3.1 examples/s", "1,024 examples/s"]
