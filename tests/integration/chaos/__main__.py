"""scripts/chaos: kills runs at named points until none is left, and compares what comes out."""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.chaos.points import MUTATIONS
from tests.integration.chaos.trials import RUNS, Laboratory, Trial, trials
from tests.support.forks import forks


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Kills tiny runs (SIGKILL and other signals in turns) before changes of files and around the "
        "steps of training, starts them again, and compares the SHA-256 of weights, metrics, history and "
        "predictions with those of an undisturbed run. The exit code says whether all are equal.",
    )
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS), metavar="RUN",
                        help="some of: " + "; ".join(RUNS))  # fmt: skip
    parser.add_argument("--points", type=int, help="strikes a run (one at every named point)")
    parser.add_argument("--seed", type=int, default=0, help="of what is struck where (0)")
    parser.add_argument("--mutation", choices=MUTATIONS, default="",
                        help="what is broken on purpose, so that red is to be expected: " + "; ".join(MUTATIONS))  # fmt: skip
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="runs at a time (all cores)")
    return parser.parse_args()


def main() -> int:
    """Tries all that was asked for."""
    asked = arguments()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:

        def tried(run: str) -> list[Trial]:
            laboratory = Laboratory(forks(), Path(folder, run), run, asked.mutation)
            done = []
            for trial in trials(laboratory, asked.seed, asked.points):
                print(trial, flush=True)
                done.append(trial)
            return done

        with ThreadPoolExecutor(asked.processes) as pool:
            done = [trial for some in pool.map(tried, asked.runs) for trial in some]
    red = sum(trial.fault is not None for trial in done)
    strikes = sum(len(trial.strikes) for trial in done)
    print(
        f"{len(done)} runs, {strikes} strikes: {len(done) - red} equal, {red} not; {time.monotonic() - began:.0f} s"
    )
    return int(red > 0)


if __name__ == "__main__":
    sys.exit(main())
