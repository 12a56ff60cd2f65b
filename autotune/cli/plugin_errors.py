"""Errors that code of a plug-in raises: told as the plug-in's own, with its lines, and not as a bug of autotune."""

import sys
import traceback
from pathlib import Path

from autotune import registry
from autotune.errors import AutotuneError


class PluginError(AutotuneError):
    """Code of a plug-in raised something."""


def plugin_error(error: BaseException) -> PluginError | None:
    """What an exception is to be told as where code of a plug-in is among the calls that led to it; else None."""
    plugins = _files()
    frames = traceback.extract_tb(error.__traceback__)
    plugin_frames = [number for number, frame in enumerate(frames) if _absolute(frame.filename) in plugins]
    if plugin_frames:
        last, lines = frames[plugin_frames[-1]], traceback.format_list(frames[plugin_frames[0] :])
        file, where = last.filename, f"{last.filename}, line {last.lineno}, in {last.name}"
    elif isinstance(error, SyntaxError) and _absolute(error.filename or "") in plugins:
        file, lines = str(error.filename), traceback.format_exception_only(error)[:-1]
        where = f"{file}, line {error.lineno}" if error.lineno else file
    else:
        return None
    message = "".join(traceback.format_exception_only(error)[-1:]).strip()
    return PluginError(
        f"error in plugin {file}: {message}",
        where=where,
        found="the plug-in's lines:\n" + "".join(lines).rstrip(),
        fix="correct the plug-in; what a task must define is in autotune/tasks/base.py",
    )


def _files() -> set[Path]:
    """Absolute paths of all files of plug-ins that are known."""
    modules = {
        task.__module__ for task in registry.registered() if not task.__module__.startswith("autotune.")
    }
    files = (getattr(sys.modules.get(module), "__file__", None) for module in modules)
    return {_absolute(file) for file in (*files, *registry.plugins) if file}


def _absolute(file: str) -> Path:
    return Path(file).absolute()
