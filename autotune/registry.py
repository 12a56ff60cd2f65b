"""Finds task classes by name: the modules of autotune/tasks, entry points `autotune.tasks`, and --plugin files."""

import importlib
import importlib.util
import pkgutil
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError, ConfigError, format_override, listing, nearest

if TYPE_CHECKING:
    from autotune.tasks.base import Task

_tasks: dict[str, type["Task"]] = {}
plugins: list[str] = []
"""Files that were given with --plugin."""


def register(task: type["Task"]) -> type["Task"]:
    """Class decorator that makes a task known under its `name`.

    Raises:
        ConfigError: another class has that name, or its Config is another task's.
    """
    if task.Config.name != task.name:
        raise ConfigError(
            f"the task {task.name!r} has the configuration of {task.Config.name!r}, and would become that task",
            where=f"{task.__module__}.{task.__qualname__}",
            fix=f"a dataclass of its own, derived from the other: name: str = {task.name!r}; Config = that class",
        )
    known = _tasks.setdefault(task.name, task)
    if known is not task:
        raise ConfigError(
            f"two tasks are called {task.name!r}",
            found=f"{known.__module__}.{known.__qualname__} and {task.__module__}.{task.__qualname__}",
            fix="give the plug-in's class another `name`",
        )
    return task


def load_plugin(path: str) -> None:
    """Imports a Python file that registers tasks.

    Raises:
        ConfigError: there is no such file, it is no Python, or it fails when it is imported.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError("the plug-in does not exist", where="--plugin", found=path)
    if file.suffix != ".py":
        raise ConfigError("a plug-in is a Python file: its name ends in .py", where="--plugin", found=path)
    plugins.append(path)
    if b"\0" in file.read_bytes():
        # Python says so too: up to 3.11.3 as a ValueError without the file's name, later as a SyntaxError without it.
        raise SyntaxError("source code cannot contain null bytes", (path, None, None, None))
    spec = importlib.util.spec_from_file_location(f"autotune_plugin_{file.stem}", file)
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def tasks() -> dict[str, type["Task"]]:
    """All registered tasks by name."""
    import autotune.tasks as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for entry in entry_points(group="autotune.tasks"):
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


def registered() -> list[type["Task"]]:
    """The task classes that are known by now."""
    return list(_tasks.values())


def task(name: str) -> type["Task"]:
    """The task class called `name`.

    Raises:
        ConfigError: there is none.
    """
    known = _tasks if name in _tasks else tasks()
    if name not in known:
        near = nearest(name, known)
        raise ConfigError(
            f"there is no task {name!r}",
            where="task",
            found=f"registered: {listing(known)}",
            fix=format_override("task", near) if near else "choose one of these, or give --plugin FILE",
        )
    return known[name]
