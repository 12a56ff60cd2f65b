"""matplotlib keeps files of its own: here they go where they disturb nobody."""

import os
import subprocess
import sys

DRAW = """
import os
from autotune.reporting import charts
print(charts.lines("curve", {"": [(0, 0), (1, 1)]}, "step"), flush=True)
os._exit(0)  # as processes end that were forked: nothing is cleaned up
"""


def test_a_chart_leaves_no_file_behind(tmp_path):
    """In a process of its own: `tests.support.forks` draws before it forks."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    environment |= {"HOME": str(home), "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("<svg") and not done.stderr, done.stderr
    assert not [*home.iterdir(), *scratch.iterdir()]
