"""The wheel: configurations and samples are inside, and it works from another folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True, env=own | environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built through the source distribution, as a release is."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The command in a clean environment; only the libraries are borrowed from the one of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # Looked into, but its own .pth files are not read: an editable installation there is not seen.
    Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "autotune"


def test_the_wheel_holds_every_configuration_and_sample(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"autotune/{file.relative_to(ROOT)}" for file in (ROOT / "configs").rglob("*.yaml")}
    assets = {
        str(file.relative_to(ROOT)) for file in (ROOT / "autotune" / "assets").rglob("*") if file.is_file()
    }
    assert len(configs) > 20
    assert any(name.endswith(".jsonl") for name in assets)
    assert configs | assets <= names


def test_the_wheel_holds_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"autotune"}
    assert not [
        name for name in names if "__pycache__" in name or name.startswith("autotune/configs/__init__")
    ]


def test_the_wheel_says_its_licence_and_its_command(wheel):
    archive = zipfile.ZipFile(wheel)
    info = next(name.rsplit("/", 1)[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = archive.read(f"{info}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "autotune = autotune.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in archive.namelist()


def test_the_installed_command_works_from_another_folder(installed, tmp_path):
    assert run(installed, "--version", cwd=tmp_path).startswith("autotune ")
    printed = yaml.safe_load(run(installed, "show", "task=ner", cwd=tmp_path))
    assert printed["dataset"]["path"] == "sample/ner"
    where = run(
        installed.with_name("python"), "-c", "import autotune; print(autotune.__file__)", cwd=tmp_path
    )
    assert str(installed.parent.parent) in where


def test_a_users_folder_adds_to_the_installed_configurations(installed, tmp_path):
    (tmp_path / "mine" / "dataset").mkdir(parents=True)
    (tmp_path / "mine" / "dataset" / "meus.yaml").write_text("path: avaliações.csv\n", encoding="utf-8")
    (tmp_path / "avaliações.csv").write_text("text,label\n", encoding="utf-8")
    words = ("show", "dataset=meus", "--config-dir", "mine")
    printed = yaml.safe_load(run(installed, *words, cwd=tmp_path, PYTHONIOENCODING="utf-8"))
    assert printed["dataset"]["path"] == "avaliações.csv"
    assert printed["name"].startswith("sentiment-meus-tiny-")
