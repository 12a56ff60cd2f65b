"""A miniature clone: the real scripts and locks of tiny packages, so that set-up can be tested offline."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from shutil import copy

from tests.support import ROOT

BACKEND = '''\
"""Builds the project that it lies in; `tool` has to be there, as a locked build tool has."""
import zipfile
import tool

NAME, NEEDS = {name!r}, {needs!r}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = f"{{NAME}}-1.0.dist-info"
    with zipfile.ZipFile(f"{{folder}}/{{NAME}}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{{NAME}}.py", "")
        wheel.writestr(f"{{info}}/METADATA", f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: 1.0\\n{{NEEDS}}")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return f"{{NAME}}-1.0-py3-none-any.whl"

build_editable = build_wheel
'''
PYPROJECT = """\
[build-system]
requires = ["tool"]
build-backend = "backend"
backend-path = ["."]
"""


def wheel(folder: Path, name: str, version: str = "1.0") -> Path:
    """Makes a wheel with one empty module."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def source(folder: Path, name: str) -> Path:
    """Makes a source distribution that is built with `tool`."""
    file = folder / f"{name}-1.0.tar.gz"
    texts = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND.format(name=name, needs=""),
    }
    with tarfile.open(file, "w:gz") as archive:
        for path, text in texts.items():
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


def lock(file: Path, *packages: Path) -> None:
    """Locks packages by the hashes of their files."""
    lines = [
        f"{package.name.split('-')[0]}==1.0 \\\n    --hash=sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}\n"
        for package in packages
    ]
    file.write_text("".join(["--only-binary :all:\n--no-binary seed\n", *lines]))


def clone(folder: Path) -> Path:
    """Makes a clone whose locks name the packages in folder/packages; autotune there needs torch and two of them."""
    root, packages = folder / "clone", folder / "packages"
    (root / "scripts").mkdir(parents=True)
    packages.mkdir()
    for name in ("environment.sh", "wheelhouse"):
        copy(ROOT / "scripts" / name, root / "scripts" / name)
    (root / "pyproject.toml").write_text(PYPROJECT)
    needs = "".join(f"Requires-Dist: {name}\n" for name in ("torch", "leaf", "seed"))
    (root / "backend.py").write_text(BACKEND.format(name="autotune", needs=needs))
    (root / "constraints.txt").write_text("torch==2.13.0\n")
    wheel(packages, "torch", "2.13.0+cpu")
    wheel(packages, "torch", "2.14.0")
    lock(root / "requirements-build.lock", wheel(packages, "tool"))
    lock(root / "requirements.lock", wheel(packages, "leaf"), source(packages, "seed"))
    lock(root / "requirements-test.lock", wheel(packages, "probe"))
    wheel(packages, "leaf", "2.0")  # newer than the lock
    return root
