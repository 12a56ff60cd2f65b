"""scripts/lock: resolves what pyproject.toml asks for to one set of versions, and writes the requirements*.lock files.

requirements-build.lock builds the others; requirements.lock runs autotune; the locks of the extras hold what they add.
torch is not in them: one version has several builds (CPU, CUDA) with other hashes, see constraints.txt.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# Builds run in the environment itself, where nothing else is fetched: the first two are for the source distributions among the
# dependencies, the last is what hatchling needs to install autotune as an editable package.
BUILD = ["setuptools", "setuptools-scm", "editables"]
HEAD = (
    "# The set that is tested, installed by the other scripts. Written by scripts/lock, not to be edited.\n"
)
# Wheels that no supported platform takes: their hashes would double the files.
ELSEWHERE = re.compile(r"-(pp|graalpy)\d|-cp3\d+t-|win32|win_|pyodide|emscripten|wasm|android|ios_")

Package = dict[str, Any]


def resolve(uv: str, requirements: Iterable[str], pinned: Iterable[Package] = ()) -> list[Package]:
    """Finds one version of each package for every supported Python and platform."""
    with tempfile.TemporaryDirectory() as folder:
        excluded, constraints = Path(folder, "excluded"), Path(folder, "constraints")
        excluded.write_text("torch\n")
        constraints.write_text("".join(f"{pin(package)}\n" for package in pinned))
        done = subprocess.run(
            [
                uv, "pip", "compile", "-", "--quiet", "--no-config", "--universal", "--python-version", "3.11",
                "--fork-strategy", "fewest", "--excludes", excluded, "--constraints", constraints,
                "--format", "pylock.toml",
            ],
            input="\n".join(requirements), stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    return tomllib.loads(done.stdout)["packages"]


def pin(package: Package) -> str:
    """The package as a requirement."""
    marker = f" ; {package['marker']}" if "marker" in package else ""
    return f"{package['name']}=={package['version']}{marker}"


def entry(package: Package) -> str:
    """The package with the hashes of its wheels, or else of its source distribution."""
    wheels = [file for file in package.get("wheels", []) if not ELSEWHERE.search(Path(file["url"]).name)]
    hashes = sorted({file["hashes"]["sha256"] for file in wheels or [package["sdist"]]})
    return " \\\n    ".join([pin(package), *(f"--hash=sha256:{digest}" for digest in hashes)]) + "\n"


def options(packages: list[Package]) -> str:
    """Says which packages are built, and that no other one is: the same in every lock, since the last one read counts for all."""
    built = [f"--no-binary {package['name']}\n" for package in packages if "wheels" not in package]
    return "--only-binary :all:\n" + "".join(built)


def write(name: str, head: str, packages: list[Package]) -> None:
    """Writes a lock file."""
    (ROOT / name).write_text(head + "".join(map(entry, packages)), "utf-8")
    sys.stdout.write(f"{name}: {len(packages)} packages\n")


def torch_dependencies() -> list[str]:
    """What every build of torch needs; a CUDA build also brings the CUDA libraries that it names."""
    return [line for line in requires("torch") or [] if "extra ==" not in line and "platform" not in line]


def main() -> None:
    """Writes all lock files."""
    uv = sys.argv[1]
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    wanted = {
        "requirements-build.lock": [*pyproject["build-system"]["requires"], *BUILD],
        "requirements.lock": [*project["dependencies"], *extras["xlsx"], *torch_dependencies()],
        "requirements-test.lock": extras["test"],
    }
    everything = resolve(uv, [line for lines in wanted.values() for line in lines])
    always: set[str] = set()
    for name, requirements in wanted.items():
        packages = [one for one in resolve(uv, requirements, everything) if one["name"] not in always]
        if name in ("requirements-build.lock", "requirements.lock"):
            always.update(package["name"] for package in packages)
        write(name, HEAD + options(everything), packages)


if __name__ == "__main__":
    main()
