"""What a prediction imports, and what imports cost."""

import gc
import json
import os

import pytest

from autotune.runtime.imports import uncollected
from tests.support.forks import forks, strangers

CODE = """
import json, sys
assert not {"transformers", "datasets"} & sys.modules.keys()
for name in [*sys.modules]:
    if name.partition(".")[0] in GONE:
        del sys.modules[name]
from autotune.cli.main import main
code = main(["predict", "r", "--text", "O atendimento foi bom."])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""
NEEDLESS = (
    "peft", "evaluate", "sklearn", "seqeval", "rouge_score", "nltk", "datasketch", "bitsandbytes",
    "scipy.stats", "transformers.trainer", "transformers.trainer_utils", "transformers.pipelines",
    "autotune.pipeline.train", "autotune.pipeline.check", "autotune.pipeline.prepare", "autotune.pipeline.plan",
    "autotune.pipeline.result", "autotune.pipeline.round_trip", "autotune.checks",
    "autotune.publishing", "autotune.training.fit", "autotune.training.trainer",
)  # fmt: skip
"""What training, checks and metrics import; `evaluate` alone brings all pipelines of transformers."""


def test_a_prediction_imports_nothing_of_training_and_metrics(tmp_path):
    words = ("task=sentiment", "dataset.limit=8", "trainer.max_steps=1", "runs=.", "name=r")
    trained = forks().start(*words, "check=none", "guard=none", cwd=tmp_path).ended()
    assert trained.returncode == 0, trained.stderr
    # The process has torch and the like, but neither transformers nor datasets. It forgets our modules and the needless
    # ones first, so that it is seen when they are imported again.
    gone = [name.partition(".")[0] for name in NEEDLESS if not name.startswith("transformers.")]
    done = strangers().start(code=f"GONE = {gone!r}\n{CODE}", only=os.environ, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    prediction, said = map(json.loads, done.stdout.splitlines())
    assert (said["code"], prediction["text"]) == (0, "O atendimento foi bom.")
    assert "transformers.models.bert.modeling_bert" in said["modules"]
    assert [name for name in NEEDLESS if name in said["modules"]] == []


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_while_libraries_are_imported_and_is_then_as_before(enabled):
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError), uncollected():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
        gc.enable()
