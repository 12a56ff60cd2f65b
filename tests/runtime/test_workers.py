"""The processes of a run: what they get, how they end together, and what is left of them. Scripts take the place of autotune."""

import os
import signal
import subprocess
import sys
import time

import pytest

from autotune.errors import AutotuneError
from autotune.runtime import workers
from tests.support import ROOT
from tests.support.forks import state_of


def run_scripts(
    monkeypatch, script: str, count: int = 2, grace_seconds: float = 60.0, config: str = ""
) -> int:
    """Runs processes that do what a script says."""

    class Scripted(subprocess.Popen):
        def __init__(self, args, **options):
            super().__init__([sys.executable, "-S", "-c", script, *args[4:]], **options)

    monkeypatch.setattr(workers, "Popen", Scripted)
    return workers.run(["a", "b"], config, count, grace_seconds)


def test_each_process_gets_the_words_the_configuration_and_its_rank(monkeypatch, tmp_path):
    script = f"""
import json, os, sys
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "AUTOTUNE_LAUNCHER_PID")
open(f"{tmp_path}/{{os.environ['RANK']}}", "w").write(
    " ".join([*sys.argv[1:], sys.stdin.read(), *(os.environ[name] for name in names)]))
"""
    config = "name: ímã\n" * 20_000  # more than a pipe holds
    assert run_scripts(monkeypatch, script, 3, config=config) == 0
    for rank in range(3):
        expected = f"a b {config} {rank} {rank} 3 3 127.0.0.1 {os.getpid()}"
        assert (tmp_path / str(rank)).read_text() == expected


def test_the_configuration_does_not_depend_on_the_encoding_of_the_locale(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    script = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from autotune.runtime.workers import read_config
pathlib.Path({str(tmp_path)!r}, "config").write_text(read_config(), encoding="utf-8")
"""
    assert run_scripts(monkeypatch, script, 1, config="name: ímã\n") == 0
    assert (tmp_path / "config").read_text(encoding="utf-8") == "name: ímã\n"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("sys.exit(65)", 65),
        ("sys.exit(75)", 75),
        ("os.kill(os.getpid(), 9)", 137),
        ("os.kill(os.getpid(), 11)", 139),
    ],
)
def test_the_first_failure_ends_all_with_its_code(monkeypatch, failure, code):
    script = f"import os, sys, time\nif os.environ['RANK'] == '1': {failure}\ntime.sleep(600)"
    # The other one has been asked to leave, and leaves: it handles no signal here, but it keeps them waiting.
    script = script.replace(
        "time.sleep(600)", "import signal; signal.sigwait([signal.SIGTERM]); sys.exit(75)"
    )
    assert run_scripts(monkeypatch, script) == code


def test_one_that_does_not_leave_is_killed(monkeypatch, caplog):
    script = "import os, sys, time\nif os.environ['RANK'] == '0': sys.exit(3)\ntime.sleep(600)"
    assert run_scripts(monkeypatch, script, grace_seconds=0.1) == 3
    assert "process 1 of 2, counted from 0, did not end within 0.1 seconds" in caplog.text


def test_signals_wait_until_a_process_handles_them(monkeypatch, tmp_path):
    """A stop signal during the imports neither kills a process nor is lost."""
    script = f"""
import os, pathlib, signal, sys
os.kill(os.getppid(), signal.SIGUSR1) if os.environ["RANK"] == "0" else None
os.kill(os.getpid(), signal.SIGUSR2)
assert signal.sigwait([signal.SIGTERM]) == signal.SIGTERM
assert signal.SIGUSR2 in signal.sigpending()
pathlib.Path("{tmp_path}", os.environ["RANK"]).touch()
sys.exit(75)
"""
    assert run_scripts(monkeypatch, script) == 75
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_a_taken_port_is_replaced(monkeypatch):
    ports = iter([1, 2, 3])
    monkeypatch.setattr(workers, "free_port", lambda: next(ports))
    script = """
import os, sys, time
if os.environ["MASTER_PORT"] != "3": sys.exit(98) if os.environ["RANK"] == "0" else time.sleep(600)
"""
    assert run_scripts(monkeypatch, script) == 0
    monkeypatch.setattr(workers, "free_port", lambda: 1)
    with pytest.raises(AutotuneError, match="no free port"):
        run_scripts(monkeypatch, script)


def test_none_is_left_when_their_parent_is_killed(tmp_path):
    """Those that do nothing but wait are ended by the system."""
    script = f"""
import subprocess, sys
from autotune.runtime import workers

WORKER = '''
import os, pathlib, signal, time
from autotune.runtime import signals, workers
workers.read_config()
pathlib.Path("{tmp_path}", os.environ["RANK"] + " " + str(os.getpid())).touch()
with signals.handle_signals():
    signals.sleep(600)
'''

class Scripted(subprocess.Popen):
    def __init__(self, args, **options):
        super().__init__([sys.executable, "-c", WORKER], **options)

workers.Popen = Scripted
workers.run([], "", 2, 60)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    controller = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    while len(started := [path.name for path in tmp_path.iterdir()]) < 2:
        assert controller.poll() is None
        time.sleep(0.01)
    controller.send_signal(signal.SIGKILL)
    controller.wait()
    for name in started:
        while state_of(int(name.split()[1])) not in ("", "Z"):
            time.sleep(0.01)


def test_one_that_starts_after_its_parent_has_died_ends_at_once(tmp_path):
    code = "from autotune.runtime import workers; workers.read_config()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOTUNE_LAUNCHER_PID": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "the process that started this one has ended" in done.stderr
