"""A plug-in that takes from the file system what LACKS names: link, symlink, lock, sync (of folders)."""

import errno
import fcntl
import os
import stat

LACKS = os.environ.get("LACKS", "").split()


def refuse(number: int):
    """A function that does what such a file system answers."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def fsync(descriptor: int, whole=os.fsync) -> None:
    """Of files alone."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    whole(descriptor)


for name in {"link", "symlink"} & set(LACKS):
    setattr(os, name, refuse(errno.EPERM))
if "lock" in LACKS:
    fcntl.lockf = refuse(errno.ENOLCK)
if "sync" in LACKS:
    os.fsync = fsync
