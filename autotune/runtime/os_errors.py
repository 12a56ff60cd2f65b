"""Explains errors of the operating system: what failed, where, whose permission is missing, what to do."""

import errno
import os
import pwd
import resource
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from autotune.errors import DiskError, PathError, shell_words

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors for too little space; only here does it help to free some."""
NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM})
WRONG_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
"""Errors for a path that cannot name anything: a mistake in the call."""
LONGEST_NAME = 255
"""Maximum bytes of a file name on nearly every file system."""

ADVICE: Mapping[int, tuple[str, str]] = {
    errno.EROFS: ("the disk is mounted read-only", "choose a place that can be written: {elsewhere}"),
    errno.EIO: (
        "the disk, or the connection to it, failed",
        "save what is there on another disk and look at the system's log (dmesg); {elsewhere}",
    ),
    errno.EMFILE: ("", "raise the limit of open files, ulimit -n 4096, and run the same command again"),
    errno.ENFILE: (
        "the whole system has too many files open",
        "end other programs, then the same command again",
    ),
    errno.ENOLCK: (
        "the file system does not support locks, for example a network drive without its lock service",
        "choose a place on a local disk: {elsewhere}",
    ),
    errno.EINVAL: (
        "the file system does not support this",
        "choose a place on another file system: {elsewhere}",
    ),
    errno.EOPNOTSUPP: (
        "the file system does not support this",
        "choose a place on another file system: {elsewhere}",
    ),
    errno.ESTALE: (
        "the network drive no longer knows the file: it was removed or replaced on another machine",
        "run the same command again",
    ),
    errno.ENOTCONN: ("the drive is no longer connected", "mount it again, then the same command"),
    errno.EHOSTDOWN: ("the network drive does not answer", "run the same command when it answers again"),
    errno.ETXTBSY: ("a program runs from this file", "end it first, or choose another place: {elsewhere}"),
    errno.EBUSY: (
        "the system or another program uses it",
        "end the program, or choose another place: {elsewhere}",
    ),
    errno.ENOTEMPTY: ("another program writes into this folder", "choose another place: {elsewhere}"),
    errno.EISDIR: ("it is a folder", "name a file: {elsewhere}"),
    errno.EEXIST: ("a file has this name", "choose another name, or remove the file: {elsewhere}"),
    errno.ENXIO: (
        "it is a pipe, a socket or a device that does not answer",
        "choose another place: {elsewhere}",
    ),
    errno.ENODEV: ("it is a device that does not answer", "choose another place: {elsewhere}"),
}
"""What was found, and what to do, by error number."""

REFUSALS = NO_SPACE | NO_PERMISSION | WRONG_PATH | frozenset(ADVICE) | {errno.ENOTDIR}
"""Errors that are due to the path and not to a bug. ENOENT is not one: a missing file may also be our mistake."""
REFUSALS_WITHOUT_FILE = (
    NO_SPACE
    | NO_PERMISSION
    | {errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOTCONN}
)
"""The ones of REFUSALS that count if the error names no file."""

OPERATIONS: Mapping[str, str] = {
    "mkdir": "create the folder",
    "mkdtemp": "create the folder",
    "iterdir": "list the folder",
    "scandir": "list the folder",
    "stat": "look at it",
    "rename": "rename it",
    "replace": "rename it",
    "unlink": "remove it",
    "rmdir": "remove it",
    "rmtree": "remove it",
    "symlink_to": "make a link",
    "hardlink_to": "make a link",
}
"""Descriptions of functions of Python's library, by name."""
LIBRARY = frozenset({"pathlib.py", "shutil.py", "os.py", "tempfile.py", "_local.py"})
"""Files of Python's library that hold these functions."""


def system_error(
    error: OSError,
    path: Path | None = None,
    needed: int | None = None,
    *,
    doing: str = "write",
    elsewhere: str = "runs=FOLDER",
) -> DiskError:
    """Returns an error that explains an OSError to the user.

    Args:
        error: the error of the system.
        path: path that was read or written; None for the path in the error.
        needed: bytes to write.
        doing: the operation ("write", "read", …), used if the traceback does not tell it more exactly.
        elsewhere: override or argument that names another place.
    """
    reason = error.strerror or str(error)
    path_in_error = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    path = path or path_in_error or Path.cwd()
    operation = _operation(error)
    what = f"cannot {operation or doing}: {reason}"
    number = error.errno or 0
    if number in WRONG_PATH:
        found = _describe_wrong_path(path_in_error or path, number)
        return PathError(what, where=_short(path), found=found, fix="correct the path")
    if number in NO_PERMISSION:
        found, fix = _explain_permission(path_in_error or path, reading=doing != "write", elsewhere=elsewhere)
    elif number in NO_SPACE:
        found = room(path, needed)
        fix = f"make room, check quota and permissions, and run the same command again; or {elsewhere}, where there is room"
    elif number in (errno.ENOENT, errno.ENOTDIR):
        found = _describe_missing(path, making=operation == OPERATIONS["mkdir"])
        fix = f"correct the path: {elsewhere}"
    else:
        found, fix = ADVICE.get(number, ("", "choose another place: {elsewhere}"))
        fix = fix.format(elsewhere=elsewhere)
        if number == errno.EMFILE:
            found = f"this process may have {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files open"
    return DiskError(what, where=str(path), found=found or None, fix=fix)


def is_refusal(error: BaseException) -> bool:
    """Whether the operating system refused a path, so the error is not a bug of ours."""
    if not isinstance(error, OSError):
        return False
    return error.errno in (REFUSALS if error.filename is not None else REFUSALS_WITHOUT_FILE)


def room(path: Path, needed: int | None = None) -> str:
    """Describes how much space is free on the disk of a path, and how much is needed."""
    free = shutil.disk_usage(_nearest_existing(path)).free
    return f"{_megabytes(free)} MB free" + (f", {_megabytes(needed)} MB needed" if needed is not None else "")


def owned(path: Path) -> str:
    """Describes the owner and mode of a file, and the user of this process."""
    try:
        status = path.stat()
    except OSError:
        return f"this process runs as {user_name(os.geteuid())}"
    owner, mode = user_name(status.st_uid), stat.S_IMODE(status.st_mode)
    return f"{path}: owner {owner}, mode {mode:04o}; this process runs as {user_name(os.geteuid())}"


def user_name(number: int) -> str:
    """Returns the name of a user; the number if the system knows no name for it."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _explain_permission(path: Path, *, reading: bool, elsewhere: str) -> tuple[str, str]:
    """Describes the file or folder that denies access and its owner, and what to ask of the owner."""
    obstacle = _find_obstacle(path.absolute(), reading=reading)
    change = "chmod -R go+rX" if reading else "chmod go+rwX"
    try:
        status = obstacle.stat()
    except OSError:
        return owned(obstacle), f"ask its owner, or {elsewhere}"
    if status.st_uid == os.geteuid() and os.geteuid():
        return owned(obstacle), f"chmod -R u+rwX {shell_words(obstacle)}; or {elsewhere}"
    owner = user_name(status.st_uid)
    return owned(obstacle), f"ask {owner} for: {change} {shell_words(obstacle)}; or {elsewhere}"


def _find_obstacle(path: Path, *, reading: bool) -> Path:
    """Returns the folder that this process may not enter, else the file or folder that it may not read or write."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return _nearest_existing(folder)
    if reading or (os.access(path, os.F_OK) and not os.access(path, os.W_OK)):
        return path
    return _nearest_existing(path.parent)


def _describe_missing(path: Path, *, making: bool) -> str:
    """Describes how far a path exists."""
    existing = _nearest_existing(path)
    if not existing.is_dir():
        return f"{existing} is not a folder but a file or a device"
    below = path.absolute().relative_to(existing.absolute()).parts
    if not below:
        return str(existing)
    return f"{existing} has no {below[0]}" + (", and none can be made there" if making else "")


def _nearest_existing(path: Path) -> Path:
    """Returns the path, or the nearest folder above it that exists."""
    candidates = (path, *path.absolute().parents)
    return next((candidate for candidate in candidates if os.access(candidate, os.F_OK)), Path("/"))


def _describe_wrong_path(path: Path, number: int) -> str:
    if number == errno.ELOOP:
        return "its symbolic links form a loop"
    longest = max(path.parts, key=lambda part: len(os.fsencode(part)), default="")
    length = len(os.fsencode(longest))
    if length > LONGEST_NAME:
        return f"a name of {length} bytes; {LONGEST_NAME} are allowed"
    return f"a path of {len(os.fsencode(path))} bytes"


def _short(path: Path, longest: int = 200) -> str:
    text = str(path)
    return text if len(text) <= longest else f"{text[:longest]} …"


def _operation(error: OSError) -> str | None:
    """Describes the innermost function of OPERATIONS in the traceback; None if there is none."""
    trace: TracebackType | None = error.__traceback__
    operation = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if Path(code.co_filename).name in LIBRARY:
            operation = OPERATIONS.get(code.co_name, operation)
        trace = trace.tb_next
    return operation


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
