"""A Slurm of two nodes on this machine's loopback."""

import os
import shutil
import subprocess

import pytest

from tests.integration.slurm.lab import Lab
from tests.support import ROOT

SCRIPTS = ROOT / "scripts" / "slurm"


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The lab; tests are skipped where Slurm is not installed, or where nobody may start its daemons."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [
        name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(name, path=path)
    ]
    if missing:
        pytest.skip(
            f"not installed: {', '.join(missing)}; scripts/slurm/lab_up says which packages have them"
        )
    if os.geteuid():
        pytest.skip("slurmd runs jobs only as root")
    folder = tmp_path_factory.mktemp("slurm")
    environment = {
        **os.environ,
        "PATH": path,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "OMP_NUM_THREADS": "1",
    }
    up = subprocess.run([SCRIPTS / "lab_up", folder], capture_output=True, text=True, env=environment)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield Lab(environment)
    finally:
        subprocess.run([SCRIPTS / "lab_down", folder], check=True, env=environment)
