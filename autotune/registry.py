"""Finds task classes by name: the modules of autotune/tasks, entry points `autotune.tasks`, and --plugin files."""

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError, ConfigError, format_override, listing, nearest

if TYPE_CHECKING:
    from autotune.tasks.base import Task

_tasks: dict[str, type["Task"]] = {}
plugins: list[str] = []
"""Paths of the files passed with --plugin."""


def register(task: type["Task"]) -> type["Task"]:
    """Registers a task class under its `name`; a class decorator.

    Raises:
        ConfigError: another class has that name, or the Config belongs to another task.
    """
    if task.Config.name != task.name:
        raise ConfigError(
            f"the task {task.name!r} has the configuration of {task.Config.name!r}, and would become that task",
            where=f"{task.__module__}.{task.__qualname__}",
            fix=f"a dataclass of its own, derived from the other: name: str = {task.name!r}; Config = that class",
        )
    existing = _tasks.setdefault(task.name, task)
    if existing is not task:
        raise ConfigError(
            f"two tasks are called {task.name!r}",
            found=f"{existing.__module__}.{existing.__qualname__} and {task.__module__}.{task.__qualname__}",
            fix="give the plug-in's class another `name`",
        )
    return task


def load_plugin(path: str) -> None:
    """Imports a Python file that registers tasks.

    Raises:
        ConfigError: the file does not exist or is not a .py file.
        SyntaxError: the file contains null bytes.
        Exception: whatever the file raises on import.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError("the plug-in does not exist", where="--plugin", found=path)
    if file.suffix != ".py":
        raise ConfigError("a plug-in is a Python file: its name ends in .py", where="--plugin", found=path)
    plugins.append(path)
    if b"\0" in file.read_bytes():
        # Python refuses these itself, but without the file's name: up to 3.11.3 with a ValueError, later with a
        # SyntaxError.
        raise SyntaxError("source code cannot contain null bytes", (path, None, None, None))
    spec = importlib.util.spec_from_file_location(f"autotune_plugin_{file.stem}", file)
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    # Before it runs: dataclasses and type hints of the plug-in look their module up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def tasks() -> dict[str, type["Task"]]:
    """Returns all registered tasks by name, sorted.

    Raises:
        ConfigError: an installed plug-in cannot be imported.
    """
    import autotune.tasks as package

    # Importing a module registers its tasks. Here and not at the top: the task modules import this one.
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for entry in _installed_plugins():
        try:
            entry.load()
        except AutotuneError:
            raise
        except Exception as error:
            raise ConfigError(
                f"the installed plug-in {entry.name} cannot be imported: {type(error).__name__}: {error}",
                where=entry.value,
                fix="correct or uninstall the package that brings it",
            ) from error
    return dict(sorted(_tasks.items()))


@cache
def _installed_plugins() -> tuple[EntryPoint, ...]:
    """Returns the plug-ins of installed packages; looking through all packages takes longer than the rest of `tasks`."""
    return tuple(entry_points(group="autotune.tasks"))


def registered() -> list[type["Task"]]:
    """Returns the task classes registered so far, without importing more."""
    return list(_tasks.values())


def task(name: str) -> type["Task"]:
    """Returns the task class registered as `name`.

    Raises:
        ConfigError: no task has that name.
    """
    candidates = _tasks if name in _tasks else tasks()
    if name not in candidates:
        near = nearest(name, candidates)
        raise ConfigError(
            f"there is no task {name!r}",
            where="task",
            found=f"registered: {listing(candidates)}",
            fix=format_override("task", near) if near else "choose one of these, or give --plugin FILE",
        )
    return candidates[name]


def shares_data(name: str, other: str | None) -> bool:
    """Returns whether two tasks read the same data: their columns are the same, as of sentiment and ordinal, or one derives from
    the other. None is any task."""
    if other is None or other == name:
        return True
    if other not in tasks():
        return False
    first, second = task(name), task(other)
    return first.columns == second.columns or issubclass(first, second) or issubclass(second, first)
