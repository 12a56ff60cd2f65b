"""What no module of autotune may call: what runs code that came with data, and clocks that jump."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import autotune

FILES = sorted(Path(autotune.__file__).parent.rglob("*.py"))
IMPORTS = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
CALLS = {
    "torch.load": "unpickles",
    "torch.save": "pickles",
    "time.time": "jumps when the clock is set; time.monotonic does not",
    "os.system": "runs a shell",
    "yaml.load": "builds objects; yaml.safe_load does not",
    "evaluate.load": "runs code of the Hub or of the working folder",
    "hydra.utils.instantiate": "builds what a configuration names",
    "hydra.utils.call": "calls what a configuration names",
}
METHODS = {
    "register_for_checkpointing",
    "load_state",
    "save_state",
    "read_pickle",
    "to_pickle",
    "instantiate",
}
"""Of whatever object: accelerate's, pandas' and Hydra's ways to pickles and to objects that are named by text."""
BUILTINS = {"eval", "exec", "compile", "__import__"}
ARGUMENTS = {"allow_pickle": ("numpy.load",), "shell": ("subprocess.run", "subprocess.Popen")}
"""Arguments that may not be true."""


def offences(code: str) -> Iterator[str]:
    """What is forbidden and stands in some code, with its line."""
    tree = ast.parse(code)
    named = {}
    """What a name in the file stands for: {"load": "torch.load", "np": "numpy"}."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {(one.asname or one.name.split(".")[0]): (one.name if one.asname else one.name.split(".")[0])
                      for one in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom):
            named |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    yield from (f"imports {name}" for name in named.values() if name.split(".")[0] in IMPORTS)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, _, rest = ast.unparse(node.func).partition(".")
        called = f"{named.get(first, first)}.{rest}".rstrip(".")
        if called in CALLS or called in BUILTINS or (rest and called.rpartition(".")[2] in METHODS):
            yield f"line {node.lineno} calls {called}: {CALLS.get(called, 'runs what data say')}"
        for keyword in node.keywords:
            true = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            if keyword.arg == "trust_remote_code" and true:
                yield f"line {node.lineno} trusts remote code"
            if true and called in ARGUMENTS.get(keyword.arg or "", ()):
                yield f"line {node.lineno} calls {called} with {keyword.arg}"


def test_no_module_runs_what_data_say():
    found = {str(file): list(offences(file.read_text(encoding="utf-8"))) for file in FILES}
    assert len(found) > 400 and {file: said for file, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "import torch\ntorch.load('a')",
        "from torch import load as read\nread('a')",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "from hydra.utils import instantiate\ninstantiate(config)",
        "accelerator.load_state('a')",
        "accelerator.register_for_checkpointing(a)",
        "AutoModel.from_pretrained('a', trust_remote_code=config.trust)",
        "from time import time\ntime()",
        "import yaml\nyaml.load(text)",
        "eval(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
    ],
)
def test_each_way_would_be_found(code):
    assert list(offences(code)), code
