"""Set-up by the scripts: one locked set whatever installs it, once; the locks; the folder for machines without a network."""

import ensurepip
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import ROOT
from tests.support.miniature import clone

PYTHON = getattr(sys, "_base_executable", sys.executable)
LOCKS = {name: ROOT / f"requirements{name}.lock" for name in ("-build", "", "-test")}
# Of all locks: pip forgets what an earlier file said of the packages that are built.
OPTIONS = LOCKS[""].read_text().split("absl-py", 1)[0]
SET = {"tool": "1.0", "leaf": "1.0", "seed": "1.0", "torch": "2.13.0+cpu", "probe": "1.0", "autotune": "1.0"}
# The oldest pip that is supported: Debian 12's; newer Pythons cannot run it, so there it is the one that they ship.
OLDEST = "23.0.1" if sys.version_info < (3, 12) else ensurepip.version()


def run(*words: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command without the settings of this machine's pip and uv, and without its uv."""
    own = {name: value for name, value in os.environ.items() if not re.match("PIP_|UV_|PYTHON", name)}
    own |= {"PATH": "/usr/bin:/bin", "PYTHON": PYTHON, "PIP_CONFIG_FILE": os.devnull} | environment
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, env=own, check=False)


def passed(*words: str | Path, **environment: str) -> str:
    done = run(*words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(environment: Path) -> dict[str, str]:
    """Names and versions of the packages in an environment, without those that it was made with."""
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    pairs = dict(pair.split("==") for pair in passed(environment / "bin" / "python", "-c", code).split())
    return {name: version for name, version in pairs.items() if name not in ("pip", "setuptools")}


class Clone:
    """A clone in miniature on a machine whose pip looks into one folder."""

    def __init__(self, folder: Path) -> None:
        self.root = clone(folder)
        self.packages = folder / "packages"
        self.settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.packages), "HOME": str(folder)}

    def set_up(self, extra: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        script = f". {self.root}/scripts/environment.sh; install_once {extra}"
        return run("bash", "-c", script, **{**self.settings, **settings})


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Clone:
    """Set up, after a first try that found a file which is not the locked one."""
    made = Clone(tmp_path_factory.mktemp("clone"))
    leaf = made.packages / "leaf-1.0-py3-none-any.whl"
    whole = leaf.read_bytes()
    leaf.write_bytes(whole + b"\n")
    done = made.set_up()
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "goes on from there" in done.stderr
    assert installed(made.root / ".venv") == {"tool": "1.0"}
    leaf.write_bytes(whole)
    done = made.set_up("test")
    assert done.returncode == 0, done.stderr
    assert "Making an environment" not in done.stdout
    return made


def test_the_locked_set_is_installed_and_nothing_newer(one):
    assert installed(one.root / ".venv") == SET


@pytest.mark.parametrize("extra", ["", "test"])
def test_once_installed_nothing_is_looked_for(extra, one):
    done = one.set_up(extra, PIP_FIND_LINKS="/nowhere", PYTHON="/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_uv_installs_the_same_set_where_it_is(tmp_path):
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed here")
    made = Clone(tmp_path)
    for bundled in (Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"):
        shutil.copy(bundled, made.packages)
    path = f"{Path(uv).parent}:/usr/bin:/bin"
    done = made.set_up("test", PATH=path, UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert installed(made.root / ".venv") == SET


def test_a_wheelhouse_is_all_that_another_machine_needs(one, tmp_path):
    house = tmp_path / "house"
    words = (one.root / "scripts" / "wheelhouse", house)
    (one.root / "requirements-other.lock").write_text("# renewed\n")
    printed = passed(*words, **one.settings)
    assert "Installing the packages" in printed, "a lock has changed"
    assert "pip install --no-index --find-links" in printed
    assert run(*words, **one.settings).returncode == 2, "it exists already"
    for name, what in (
        ("plain", ["autotune"]),
        ("checked", ["--require-hashes", "-r", house / "requirements.lock"]),
    ):
        venv.create(tmp_path / name, with_pip=False, symlinks=True)
        pip = (sys.executable, "-m", "pip", "--python", tmp_path / name / "bin" / "python")
        passed(*pip, "install", "--quiet", "--no-index", "--find-links", house, *what)
        assert {"tool": "1.0", "probe": "1.0"} | installed(tmp_path / name) == SET


@pytest.mark.parametrize("script", ["benchmark", "chaos", "gpu", "wheelhouse"])
def test_help_installs_nothing(script, tmp_path):
    for folder in ("scripts", "tests/integration/chaos", "tests/support"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert f"usage: scripts/{script}" in passed(tmp_path / "scripts" / script, "--help")
    assert not (tmp_path / ".venv").exists()


def pins(*files: Path) -> dict[str, Requirement]:
    """Locked requirements by name."""
    lines = [line.removesuffix(" \\") for file in files for line in file.read_text().splitlines()]
    found = [Requirement(line) for line in lines if re.match(r"\w", line)]
    return {requirement.name: requirement for requirement in found}


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_exact_versions_with_hashes_and_no_address(name):
    text = LOCKS[name].read_text()
    digest = r" \\\n    --hash=sha256:[0-9a-f]{64}"
    package = rf"[a-z0-9][a-z0-9-]*==[0-9][\w.]*( ; [^\\/:]+)?({digest})+\n"
    assert re.fullmatch(r"# .*\n--only-binary :all:\n(--no-binary [a-z0-9-]+\n)+", OPTIONS)
    assert re.fullmatch(rf"{re.escape(OPTIONS)}({package})+", text)


def test_constraints_hold_torch_alone_and_the_project_only_ranges():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line.split("==")[0] for line in lines if not line.startswith("#")] == ["torch"]
    assert "torch" not in pins(*LOCKS.values())
    assert "==" not in (ROOT / "pyproject.toml").read_text()


def needed(requirement: Requirement) -> "list[Requirement]":
    """What an installed package needs here, with the extras that are asked for."""
    try:
        lines = requires(requirement.name) or []
    except PackageNotFoundError:  # of an extra that is not installed here
        return []
    extras = {"", *requirement.extras}
    found = map(Requirement, lines)
    return [
        one for one in found if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras)
    ]


@pytest.mark.parametrize("extra", ["xlsx", "test"])
def test_the_locks_of_an_extra_hold_all_that_the_project_needs(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = [lock for lock in ("-build", "", f"-{extra}") if lock in LOCKS]  # xlsx is in the lock of all
    locked = pins(*(LOCKS[lock] for lock in files))
    locked["torch"] = Requirement((ROOT / "constraints.txt").read_text().splitlines()[-1])
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    left = [Requirement(line) for line in lines + project["project"]["optional-dependencies"][extra]]
    seen: set[str] = set()
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{requirement} is not in the lock: scripts/lock writes it"
        (exact,) = locked[name].specifier
        assert requirement.specifier.contains(Version(exact.version), prereleases=True), requirement
        # torch is chosen by the machine: its build for CUDA needs packages that the build for CPUs does not.
        if str(requirement) not in seen and name != "torch":
            seen.add(str(requirement))
            left += needed(requirement)
    assert len({*map(canonicalize_name, (Requirement(one).name for one in seen))}) > 60


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """A clone with the real locks, cut to what has to be built, and an environment with the oldest pip."""
    root = tmp_path_factory.mktemp("old")
    venv.create(root / ".venv", with_pip=False, symlinks=True)
    # What `venv` puts there costs seconds and is replaced; setuptools stays, with which an old pip builds.
    wanted = [f"pip=={OLDEST}", *Path(ensurepip.__file__).parent.glob("_bundled/setuptools*.whl")]
    pip = (sys.executable, "-m", "pip", "--python", root / ".venv" / "bin" / "python")
    fetched = run_here(*pip, "install", "--quiet", "--retries", "0", *wanted)
    if fetched.returncode:
        pytest.skip(f"the package registry cannot be reached: {fetched.stderr.splitlines()[-1]}")
    for file in (ROOT / "pyproject.toml", LOCKS["-build"]):
        shutil.copy(file, root)
    (root / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "environment.sh", root / "scripts")
    blocks = re.split(r"\n(?=\w)", LOCKS[""].read_text().rstrip())
    built = re.findall(r"^--no-binary (\S+)", blocks[0], re.MULTILINE)
    kept = [block for block in blocks if block.split("==")[0] in built]
    assert len(kept) == len(built) >= 3
    (root / "requirements.lock").write_text("\n".join([blocks[0], *kept]) + "\n")
    return root


def run_here(*words: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command with the settings of this machine's pip, which may be needed to reach a registry."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return run(*words, **{"PIP_CONFIG_FILE": ""} | settings | environment)


@pytest.mark.slow
def test_an_old_pip_builds_with_the_line_of_the_readme(old):
    for readme in ("README.md", "README.pt-BR.md"):
        assert "`PIP_USE_PEP517=1 pip install .`" in (ROOT / readme).read_text()
    sources = [f"{pin.name}{pin.specifier}" for pin in pins(old / "requirements.lock").values()]
    words = ("-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", *sources)
    done = run_here(old / ".venv" / "bin" / "python", *words, PIP_USE_PEP517="1")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_scripts_build_every_locked_source_distribution_with_the_oldest_pip(old):
    done = run_here("bash", "-c", f". {old}/scripts/environment.sh; install_locked")
    assert done.returncode == 0, done.stderr
    locked = pins(old / "requirements.lock", LOCKS["-build"])
    found = {canonicalize_name(name): version for name, version in installed(old / ".venv").items()}
    assert found == {
        name: next(iter(pin.specifier)).version for name, pin in locked.items() if name != "setuptools"
    }
    assert OLDEST in passed(old / ".venv" / "bin" / "python", "-m", "pip", "--version")
