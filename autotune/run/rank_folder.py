"""The run folder as the ranks other than 0 see it."""

from pathlib import Path
from typing import Self

from autotune.config.schema import RunConfig
from autotune.errors import DiskError
from autotune.run.folder import RunFolder
from autotune.run.log import RunLog
from autotune.run.status import STATUS
from autotune.runtime import launcher
from autotune.runtime.files import disk_errors
from autotune.runtime.streams import append_output


class RankFolder(RunFolder):
    """The folder that rank 0 has opened and locked; other ranks write only their predictions and their log."""

    @classmethod
    def join(cls, config: RunConfig, rank: int) -> Self:
        """Opens the folder once rank 0 has.

        Args:
            config: that of rank 0, with an absolute path.
            rank: rank of this process.

        Raises:
            DiskError: the folder is not on a disk of this machine, or the log cannot be written.
        """
        path = Path(config.runs) / str(config.name)
        if not (path / STATUS).exists():
            raise DiskError(
                f"process {rank} does not see the run folder of process 0, which is on another machine",
                where=str(path),
                fix="runs=FOLDER on a disk that all machines share",
            )
        folder = cls(path, None)
        folder._state_is_final = True
        if not folder.finished:
            log = path / f"rank-{rank}.log"
            folder._log = RunLog(log)
            if launcher.is_worker():
                with disk_errors(log):
                    append_output(log)
        return folder
