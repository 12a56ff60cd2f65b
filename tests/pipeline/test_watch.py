"""`autotune watch`: runs and sweeps in the terminal, from their files alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.load import dump_config
from autotune.errors import TrainingError
from autotune.reporting.plot import bar, plot
from autotune.reporting.watch import run_lines
from autotune.run.folder import RunFolder
from autotune.run.live import LiveRun
from tests.support.terminal import Terminal

HOLD = "import fcntl, sys\nfile = open(sys.argv[1], 'a')\nfcntl.lockf(file, fcntl.LOCK_EX)\nprint(flush=True)\nsys.stdin.read()"
"""Holds the lock of a run folder, as the run does."""


def line_of(step: int) -> str:
    values = {
        "step": step,
        "epoch": step / 10,
        "loss": 2 / step,
        "learning_rate": 1e-3,
        "grad_norm": 1.5,
        "seconds": 2.0,
    }
    return json.dumps(values) + "\n"


def make_run(path: Path, state: str = "running", steps: int = 12, **status: object) -> Path:
    """A run of 30 steps, three epochs of 320 rows."""
    (config,) = compose(
        ["trainer.epochs=3", "trainer.batch_size=32", f"runs={path.parent}", f"name={path.name}"]
    )
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(dump_config(config))
    (path / "status.json").write_text(json.dumps({"state": state, **status}))
    lines = list(map(line_of, range(1, steps + 1)))
    values = {"macro_f1": 0.75, "accuracy": 0.8}
    lines[10:10] = [json.dumps({"step": 10, "epoch": 1.0, "validation": values, "seconds": 12.0}) + "\n"] * (
        steps > 9
    )
    (path / "history.jsonl").write_text("".join(lines))
    (path / "log.txt").write_text(
        "2026-11-28T18:00:00 INFO run folder: x\n2026-11-28T18:01:02 WARNING out of memory; trainer.batch_size=4\n"
        "2026-11-28T18:02:02 ERROR a traceback\n  of two lines\n"
    )
    return path


@pytest.fixture
def running(tmp_path) -> Iterator[Path]:
    run = make_run(tmp_path / "runs" / "run")
    with subprocess.Popen([sys.executable, "-c", HOLD, run / ".lock"], stdin=-1, stdout=-1) as holder:
        holder.stdout.readline()
        yield run
        holder.stdin.close()


def watched(capsys, *words: object) -> tuple[int, str]:
    code = main(["watch", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out + output.err


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_that_goes_on_is_shown_and_not_written_to(running, capsys):
    with (running / "history.jsonl").open("a") as file:
        file.write('no json\n[1]\n{"step": 13, "loss"')  # the last line is being written
    before = contents(running)
    code, said = watched(capsys, running)
    assert code == 0 and contents(running) == before
    lines = said.splitlines()
    assert lines[0] == "run: running" and lines[1].endswith(" 12/30 40 %")
    # 12 steps and an evaluation have taken 36 s; 18 steps are left.
    assert lines[2] == "epoch 1.20/3, 16.0 examples/s, about 54 s left"
    assert lines[3] == "loss 0.1667, learning rate 0.001, gradient norm 1.5"
    assert lines[4] == "macro_f1 0.7500 (best 0.7500 at step 10)"
    assert (
        "18:01 warning: out of memory" in said and "18:02 warning: a traceback" in said and "INFO" not in said
    )


def test_portuguese(running, capsys, monkeypatch):
    monkeypatch.setenv("AUTOTUNE_LANG", "pt")
    said = watched(capsys, running)[1]
    assert "época 1.20/3, 16.0 exemplos/s, faltam cerca de 54 s" in said and "perda 0.1667" in said
    assert "(melhor 0.7500 no passo 10)" in said and "aviso" in said


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ({"state": "finished"}, 0, "run: finished"),
        ({"state": "interrupted", "reason": "SIGTERM", "exit_code": 75}, 75, "run: interrupted (SIGTERM)"),
        ({"state": "failed", "reason": "no", "exit_code": 65}, 65, "run: failed (no)"),
        ({"state": "failed", "reason": "no"}, 1, "run: failed (no)"),
        ({"state": "running"}, 75, "run: killed"),
    ],
)
def test_the_exit_code_is_that_of_the_run(status, code, said, tmp_path, capsys):
    make_run(tmp_path / "run", **status)
    found, printed = watched(capsys, tmp_path / "run", "--once")
    assert found == code and printed.startswith(said)


@pytest.mark.parametrize(
    ("error", "code"),
    [(TrainingError("no"), 65), (KeyboardInterrupt(), 75), (ValueError(), 70), (OSError(28, "full"), 74)],
)
def test_a_run_records_with_which_exit_code_it_ended(error, code, tmp_path):
    (config,) = compose([f"runs={tmp_path}", "name=run"])
    with pytest.raises(type(error)), RunFolder.open(config):
        raise error
    assert json.loads((tmp_path / "run" / "status.json").read_text())["exit_code"] == code


def test_the_newest_run_of_a_folder_is_shown(tmp_path, capsys):
    for number, name in enumerate(("b", "a")):
        run = make_run(tmp_path / "runs" / name, "finished")
        os.utime(run / "status.json", (number, number))
    assert watched(capsys, tmp_path / "runs")[1].startswith("a: finished")


def test_where_there_is_no_run_it_says_so(tmp_path, capsys):
    code, said = watched(capsys, tmp_path)
    assert code == 2 and "there is no run here" in said and "autotune watch RUN" in said


def test_before_the_first_step_a_run_prepares(tmp_path, capsys):
    run = make_run(tmp_path / "run", "finished", steps=0)
    (run / "status.json").unlink()
    (run / "log.txt").unlink()
    (run / "history.jsonl").unlink()
    assert watched(capsys, run) == (0, "run: pending\n")


def test_a_sweep_has_a_line_per_run(tmp_path, capsys):
    sweep = tmp_path / "runs" / "sweep-x"
    sweep.mkdir(parents=True)
    make_run(tmp_path / "runs" / "one", "interrupted")
    make_run(tmp_path / "runs" / "two", "failed")
    members = [
        {"run": name, "overrides": {"seed": str(number)}, "words": [], "epochs": 3.0, "max_steps": None}
        for number, name in enumerate(("one", "two", "three"))
    ]
    (sweep / "members.jsonl").write_text("".join(json.dumps(member) + "\n" for member in members))
    before = contents(sweep)
    code, said = watched(capsys, sweep)
    lines = said.splitlines()
    assert code == 0 and contents(sweep) == before  # the third is still to come
    assert lines[0] == "sweep-x: 0/3 finished" and len(lines) == 5
    assert lines[2].split()[:2] == ["seed=0", "interrupted"] and "████░░░░░░ 12/30" in lines[2]
    assert lines[2].endswith("validation macro_f1 0.7500") and lines[4].split()[:2] == ["seed=2", "pending"]
    (sweep / "members.jsonl").write_text("".join(json.dumps(member) + "\n" for member in members[:2]))
    assert watched(capsys, sweep)[0] == 75


def test_a_history_that_was_cut_back_is_read_again(running):
    live = LiveRun(running)
    live.update()
    assert live.step == 12
    (running / "history.jsonl").write_text("".join(map(line_of, range(1, 4))))
    live.update()
    assert live.step == 3 and len(live.losses) == 3 and not live.scores


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_none_too_many(width, running):
    live = LiveRun(running)
    live.update()
    for height in (1, 5, 10, 24, 60):
        lines = run_lines(live, width, height)
        assert max(map(len, lines)) <= width and len(lines) <= height
        assert any("▏" in line for line in lines) == (width >= 60 and height >= 24)


def test_a_curve():
    assert plot([(1, 1.0), (2, 0.5), (4, 0.0)], 9 + 2 + 4, 2, 4) == ["        1 ▏█▁▁", "        0 ▏███▁"]
    assert plot([(3, 0.5)], 9 + 2 + 4, 1, 4) == ["      0.5 ▏  ▅"]
    assert (bar(1, 4, 8), bar(9, 4, 4), bar(1, None, 2)) == ("██░░░░░░", "████", "░░")


def test_in_a_terminal_it_follows_the_run_until_it_ends(running):
    terminal = Terminal("-m", "autotune", "watch", str(running), cwd=running.parent)
    terminal.until(lambda output: "12/30" in output)
    with (running / "history.jsonl").open("a") as file:
        file.write(line_of(13))
    terminal.until(lambda output: "13/30" in output)
    (running / "status.json").write_text('{"state": "finished"}')
    code, output = terminal.ended()
    assert code == 0 and "\x1b[J" in output and "run: finished" in output


def test_ctrl_c_leaves_quietly(running):
    terminal = Terminal("-m", "autotune", "watch", str(running), cwd=running.parent)
    terminal.until(lambda output: "12/30" in output)
    terminal.process.send_signal(signal.SIGINT)
    code, output = terminal.ended()
    assert code == 130 and "Traceback" not in output and "interrupted" not in output
