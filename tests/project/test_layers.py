"""The order of the layers, the fences around libraries, sizes, and what the command line imports."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import autotune
from tests.support import ROOMS

PACKAGE = Path(autotune.__file__).parent
CONFIGS = PACKAGE.parent / "configs"
FILES = sorted(PACKAGE.rglob("*.py"))


FENCES = {
    "hydra": (
        "config.compose",
        "config.overrides",
        "config.hydra_errors",
        "config.hydra_loader",
        "config.origin",
    ),
    "accelerate": ("runtime.ranks", "training", "evaluation.evaluator", "pipeline"),
    "peft": ("models",),
    "huggingface_hub": ("data", "models", "publishing"),
    "optuna": ("pipeline.study",),
    "argparse": ("cli.arguments", "config.compose"),
    "pickle": (),
    "joblib": (),
    "matplotlib": ("reporting.charts",),
}
"""Which modules may import a library."""

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "peft",
    "evaluate",
    "sklearn",
    "pandas",
    "pyarrow",
    "matplotlib",
)


def module_of(file: Path) -> str:
    """Dotted name inside the package: data.readers, tasks."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in names)


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def running_nodes(file: Path) -> list[ast.AST]:
    """All nodes of a file but those that only type checkers see."""
    return list(_running_nodes(parsed(file)))


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _running_nodes(node)


def imports(file: Path) -> Iterator[str]:
    """Absolute names of what a file imports when it runs, imports inside functions too."""
    for node in running_nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    return module.split(".")[0]


OUTSIDE = ("__init__", "__main__")
"""Modules outside of all rooms."""
IN_ROOM = {room: [file for file in FILES if room_of(module_of(file)) == room] for room in (*ROOMS, *OUTSIDE)}
"""Files by room. A test looks at a room: one for each file would take longer to set up than to run."""


def test_there_are_no_other_rooms():
    assert {room_of(module_of(file)) for file in FILES} == {*ROOMS, *OUTSIDE}
    assert all(IN_ROOM.values()) and sum(map(len, IN_ROOM.values())) == len(FILES)


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_imports_only_from_its_own_room_and_those_before(room):
    allowed = {"__version__", *ROOMS[: ROOMS.index(room) + 1]}
    for file in IN_ROOM[room]:
        names = [name.removeprefix("autotune.") for name in imports(file) if name.startswith("autotune.")]
        # `registry` has a test of its own.
        assert room == "registry" or {*map(room_of, names)} <= allowed, module_of(file)


def test_the_registry_alone_imports_from_above_and_only_when_it_is_asked():
    """`registry.tasks` imports the task modules; type checkers see `Task` there."""
    above = {
        (module_of(file), room_of(name.removeprefix("autotune.")))
        for file in FILES
        if file.parent == PACKAGE and file.stem in ("errors", "registry")
        for name in imports(file)
        if name.startswith("autotune.")
    }
    assert above == {("registry", "errors"), ("registry", "tasks")}


@pytest.mark.parametrize("room", IN_ROOM)
def test_libraries_stay_behind_their_fences(room):
    for file in IN_ROOM[room]:
        for name in imports(file):
            allowed = FENCES.get(name.split(".")[0])
            assert allowed is None or within(module_of(file), allowed), (module_of(file), name)


@pytest.mark.parametrize("room", [room for room in IN_ROOM if room != "tasks"])
def test_no_code_but_a_task_knows_a_task_by_name(room):
    for file in IN_ROOM[room]:
        for node in running_nodes(file):
            if isinstance(node, ast.Compare):
                constants = {str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not {"sentiment", "ner", "summarization"} & constants, (file, ast.unparse(node))


@pytest.mark.parametrize("room", IN_ROOM)
def test_files_and_functions_stay_small(room):
    for file in IN_ROOM[room]:
        assert file.read_text(encoding="utf-8").count("\n") <= 400, file
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.FunctionDef):
                documented = ast.get_docstring(node, clean=False)
                lines = node.end_lineno - node.lineno + 1 - (documented.count("\n") + 1 if documented else 0)
                assert lines <= 80, (file, node.name)


@pytest.mark.parametrize("room", IN_ROOM)
def test_every_file_and_every_public_thing_says_what_it_is(room):
    for file in IN_ROOM[room]:
        tree = parsed(file)
        assert not tree.body or ast.get_docstring(tree), file
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), (file, node.name)


def test_no_file_of_odds_and_ends():
    assert not [file for file in FILES if file.stem in ("utils", "helpers", "common", "misc")]


def test_configurations_hold_values_and_no_code():
    for file in CONFIGS.rglob("*"):
        assert file.is_dir() or file.suffix == ".yaml", file
        if file.is_file():
            assert not re.search(r"_target_|\bhf_\w{8}|/home/", file.read_text(encoding="utf-8")), file


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_composing_and_refusing_load_nothing_heavy():
    """One after another in one program: what none of them has loaded when all are done, each does without."""
    ways = (
        "import autotune.cli.main",
        "from autotune.config.compose import compose; compose(['task=ner', 'peft=lora'])",
        "from autotune.cli.main import main; assert main(['show', 'task=nerr', 'trainer.lerning_rate=1']) == 2",
        "from autotune.cli.main import main; assert main(['task=ner', 'trainer.lerning_rate=1']) == 2",
    )
    said = run(
        "\n".join(f"{way}\nimport sys; print([one for one in {HEAVY} if one in sys.modules])" for way in ways)
    )
    assert [line for line in said.splitlines() if line.startswith("[")] == ["[]"] * len(ways)


def test_help_loads_neither_hydra_nor_the_schema():
    said = run(
        "from autotune.cli.main import main; main(['--help']); import sys; "
        "print({'hydra', 'omegaconf', 'pydantic'} & set(sys.modules))"
    )
    assert said.splitlines()[-1] == "set()"
