"""A verb in a fresh process: forked where that can be had, else started; the same either way."""

import json
import subprocess
import sys

import pytest

from tests.support.forks import forks

SCRIPT = """
import json, os, signal, sys
from autotune.runtime import child_process
ways = sys.argv[1]
if ways != "started":
    child_process.prepare()
if ways == "lost":
    # The only child is the one that waits.
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        os.kill(int(children.read().split()[0]), signal.SIGKILL)
os.environ.update(RANK="1", WORLD_SIZE="2")
words = (["--version"], ["nonsense"], ["show", "name=ímã"], ["evaluate", "nowhere"])
# What is started after a loss is started as in the first way: the verb with the dear imports is not needed twice.
ended = [child_process.run(each) for each in (words[:3] if ways == "lost" else words)]
print(json.dumps([[one.returncode, one.output] for one in ended]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_a_verb_says_and_ends_with_the_same_forked_or_started(tmp_path):
    started = {way: forks().start(way, code=SCRIPT, cwd=tmp_path) for way in ("started", "forked", "lost")}
    found = {}
    for way, process in started.items():
        done = process.ended()
        assert done.returncode == 0, done.stderr
        found[way] = json.loads(done.stdout)
    assert [code for code, _ in found["started"]] == [0, 2, 0, 2]
    assert "name: ímã" in found["started"][2][1]
    assert found["forked"] == found["started"]
    assert found["lost"] == found["started"][:3]


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_the_waiting_process_ends_with_the_first():
    script = "from autotune.runtime import child_process; import os; child_process.prepare(); os._exit(0)"
    # The reader of the pipe sees its end only when nobody holds it any more.
    assert (
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, timeout=300, check=False
        ).returncode
        == 0
    )
