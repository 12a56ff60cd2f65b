"""What the operating system refuses, in words: what failed, where, whose the obstacle is, what to do."""

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

ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Where there is too little room, and only there, making room helps."""
RIGHTS = frozenset({errno.EACCES, errno.EPERM})
WRONG_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
"""A path that can name nothing is a mistake in the call."""
LONGEST_NAME = 255
"""Bytes of a file's name on nearly every file system."""

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
        "the file system gives no locks, as a network drive without its lock service",
        "choose a place on a local disk: {elsewhere}",
    ),
    errno.EINVAL: ("the file system does not do this", "choose a place on another file system: {elsewhere}"),
    errno.EOPNOTSUPP: (
        "the file system does not do this",
        "choose a place on another file system: {elsewhere}",
    ),
    errno.ESTALE: (
        "the network drive no longer knows the file: it was removed or replaced on another machine",
        "run the same command again",
    ),
    errno.ENOTCONN: ("the drive is no longer connected", "mount it again, then the same command"),
    errno.EHOSTDOWN: ("the network drive does not answer", "the same command when it answers again"),
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
"""What was found, and what to do, by what the system says."""

REFUSALS = ROOM | RIGHTS | WRONG_PATH | frozenset(ADVICE) | {errno.ENOTDIR}
"""What the system says of a place, whatever we do. That a file is missing may also be our mistake."""
OF_ANY_FILE = (
    ROOM | RIGHTS | {errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOTCONN}
)
"""Likewise, where no file is named."""

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
"""What functions of Python's library do, by their name."""
LIBRARY = frozenset({"pathlib.py", "shutil.py", "os.py", "tempfile.py", "_local.py"})


def system_error(
    error: OSError,
    path: Path | None = None,
    needed: int | None = None,
    *,
    doing: str = "write",
    elsewhere: str = "runs=FOLDER",
) -> DiskError:
    """The error that says it to the user.

    Args:
        error: of the system.
        path: what we were at work on; None: the path in the error.
        needed: bytes that it takes.
        doing: "write", "read", …: what we wanted to do, where the error does not tell it better.
        elsewhere: override or argument that names another place.
    """
    said = error.strerror or str(error)
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    path = path or named or Path.cwd()
    operation = _operation(error)
    what = f"cannot {operation or doing}: {said}"
    number = error.errno or 0
    if number in WRONG_PATH:
        return PathError(
            what, where=_short(path), found=_unnamable(named or path, number), fix="correct the path"
        )
    if number in RIGHTS:
        found, fix = _rights(named or path, reading=doing != "write", elsewhere=elsewhere)
    elif number in ROOM:
        found = room(path, needed)
        fix = f"make room, look at quota and rights, and run the same command again; or {elsewhere}, where there is room"
    elif number in (errno.ENOENT, errno.ENOTDIR):
        found, fix = _missing(path, making=operation == OPERATIONS["mkdir"]), f"correct the path: {elsewhere}"
    else:
        found, fix = ADVICE.get(number, ("", "choose another place: {elsewhere}"))
        fix = fix.format(elsewhere=elsewhere)
        if number == errno.EMFILE:
            found = f"this process may have {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files open"
    return DiskError(what, where=str(path), found=found or None, fix=fix)


def is_refusal(error: BaseException) -> bool:
    """Whether an error is what the system says of a place, and no mistake of ours."""
    if not isinstance(error, OSError):
        return False
    return error.errno in (REFUSALS if error.filename is not None else OF_ANY_FILE)


def room(path: Path, needed: int | None = None) -> str:
    """How much room there is where a path is, and how much would be needed."""
    free = shutil.disk_usage(_standing(path)).free
    return f"{_megabytes(free)} MB free" + (f", {_megabytes(needed)} MB needed" if needed is not None else "")


def owned(path: Path) -> str:
    """Whose a file is, its mode, and who we are."""
    try:
        about = path.stat()
    except OSError:
        return f"this process runs as {user_name(os.geteuid())}"
    owner, mode = user_name(about.st_uid), stat.S_IMODE(about.st_mode)
    return f"{path}: owner {owner}, mode {mode:04o}; this process runs as {user_name(os.geteuid())}"


def user_name(number: int) -> str:
    """A user's name; the number where the system knows no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _rights(named: Path, *, reading: bool, elsewhere: str) -> tuple[str, str]:
    """The obstacle on the way to a path and its owner, and what to ask of whom."""
    obstacle = _obstacle(named.absolute(), reading=reading)
    change = "chmod -R go+rX" if reading else "chmod go+rwX"
    try:
        about = obstacle.stat()
    except OSError:
        return owned(obstacle), f"ask its owner, or {elsewhere}"
    if about.st_uid == os.geteuid() and os.geteuid():
        return owned(obstacle), f"chmod -R u+rwX {shell_words(obstacle)}; or {elsewhere}"
    owner = user_name(about.st_uid)
    return owned(obstacle), f"ask {owner} for: {change} {shell_words(obstacle)}; or {elsewhere}"


def _obstacle(path: Path, *, reading: bool) -> Path:
    """The folder that we may not enter, else the file or folder that we may not read or write."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return _standing(folder)
    if reading or (os.access(path, os.F_OK) and not os.access(path, os.W_OK)):
        return path
    return _standing(path.parent)


def _missing(path: Path, *, making: bool) -> str:
    """How far a path leads."""
    there = _standing(path)
    if not there.is_dir():
        return f"{there} is a file, a device or the like, and no folder"
    below = path.absolute().relative_to(there.absolute()).parts
    if not below:
        return str(there)
    return f"{there} has no {below[0]}" + (", and none can be made there" if making else "")


def _standing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next((one for one in (path, *path.absolute().parents) if os.access(one, os.F_OK)), Path("/"))


def _unnamable(path: Path, number: int) -> str:
    if number == errno.ELOOP:
        return "its symbolic links lead round in a circle"
    longest = max(path.parts, key=lambda part: len(os.fsencode(part)), default="")
    length = len(os.fsencode(longest))
    if length > LONGEST_NAME:
        return f"a name of {length} bytes; {LONGEST_NAME} are allowed"
    return f"a path of {len(os.fsencode(path))} bytes"


def _short(path: Path, longest: int = 200) -> str:
    text = str(path)
    return text if len(text) <= longest else f"{text[:longest]} …"


def _operation(error: OSError) -> str | None:
    """What the innermost function of Python's own library was doing; None where it was none of those."""
    trace: TracebackType | None = error.__traceback__
    known = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if Path(code.co_filename).name in LIBRARY:
            known = OPERATIONS.get(code.co_name, known)
        trace = trace.tb_next
    return known


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
