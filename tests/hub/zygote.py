"""Runs command lines in forks of a process that has imported everything: `python -m tests.hub.zygote`.

Reads one JSON object a line, {"words": […], "cwd": …, "env": {…}}, and answers with {"code", "out", "err"}. HF_ENDPOINT
and the like are read when the libraries are imported, so they hold for all of them.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Answers until its input ends."""
    import autotune.publishing.stage  # noqa: F401 - with all that it needs
    from autotune.cli import main as command

    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            child = os.fork()
            if not child:
                for number, path in ((1, out), (2, err)):
                    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
                os.chdir(asked["cwd"])
                os.environ.update(asked["env"])
                code = command(asked["words"])
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            answer = {"code": code, "out": out.read_text(), "err": err.read_text()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
