"""python -m autotune"""

import os
import sys

# `python -m`, and with it torchrun and accelerate launch, puts the working folder first on sys.path: a yaml.py there
# would run. The two modules imported above are already loaded by the interpreter.
first = (sys.path[0] or os.curdir) if sys.path else ""
if not sys.flags.safe_path and os.path.isdir(first) and os.path.samefile(first, os.curdir):  # noqa: PTH112, PTH121
    del sys.path[0]

from autotune.cli.main import main  # noqa: E402

sys.exit(main())
