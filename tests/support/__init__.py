"""What tests share: paths, forked command lines, a Hub, processors to pretend."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SAMPLES = ROOT / "autotune" / "assets" / "samples"

ROOMS = (
    "errors",
    "registry",
    "runtime",
    "config",
    "run",
    "data",
    "metrics",
    "baselines",
    "models",
    "tasks",
    "training",
    "evaluation",
    "checks",
    "publishing",
    "reporting",
    "pipeline",
    "auto",
    "cli",
    "api",
)
"""The rooms of the package, from the ground up: each imports only from itself and those before it."""
