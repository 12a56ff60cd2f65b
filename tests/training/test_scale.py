"""A million training rows take the memory of ten thousand."""

import json
import sys

import pytest

from tests.support.forks import forks

SCRIPT = """
import json, sys
from pathlib import Path
from tempfile import TemporaryDirectory
import numpy as np, pyarrow as pa, pyarrow.ipc
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification
from autotune.config.enums import Architecture, Batching, Precision
from autotune.config.schema import DatasetConfig, ModelConfig
from autotune.config.trainer import TrainerConfig
from autotune.models.base import open_base
from autotune.registry import task as find
from autotune.training import device
from autotune.training.trainer import Trainer

count = int(sys.argv[1])
with TemporaryDirectory() as scratch:
    kind = find("sentiment")
    few = Dataset.from_list([{"id": str(i), "text": "Bom", "label": "ab"[i % 2]} for i in range(4)])
    config = kind.Config(max_length=64)
    facts = kind.fit_labels(config, DatasetConfig(path="memory"), {"train": few})
    base = open_base(ModelConfig(tiny=Architecture("bert")), kind.heads, "sentiment", "", "bert",
                     lambda: ["Bom bom"], Path(scratch))
    task = kind(config, base, facts)
    schema = pa.schema({"row": pa.int64(), "input_ids": pa.list_(pa.int32()), "length": pa.int32(),
                        "lost": pa.int32(), "label": pa.int64(), "weight": pa.float32()})
    file = Path(scratch, "features.arrow")
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, count, 10_000):
            rows = np.arange(start, start + 10_000)
            lengths = rows % 29 + 3
            ids = pa.ListArray.from_arrays(np.append(0, lengths.cumsum()).astype("int32"),
                                           pa.array(np.full(lengths.sum(), 5, dtype="int32")))
            writer.write_batch(pa.record_batch([rows, ids, lengths.astype("int32"), np.zeros(10_000, "int32"),
                                                rows % 2, np.ones(10_000, "float32")], schema=schema))
    features = Dataset.from_file(str(file))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(base.tokenizer), **small))
    config = TrainerConfig(epochs=2, learning_rate=1e-3, max_steps=20, batch_size=64)
    trainer = Trainer(task, model, features, config, 1, device.accelerator(Precision.fp32))
    for step in trainer.steps():
        pass
    status = Path("/proc/self/status").read_text()
    # Pages of memory-mapped files are the system's to take back at any time.
    print(json.dumps(int(status.split("RssAnon:")[1].split()[0]) / 1024))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("batching", ["exact", "bucketed"])
def test_memory_is_flat_from_ten_thousand_to_a_million_rows(tmp_path, batching):
    script = SCRIPT.replace("batch_size=64", f"batch_size=64, batching=Batching.{batching}")
    used = []
    for count in (10_000, 1_000_000):
        done = forks().start(count, code=script, cwd=tmp_path).ended()
        assert done.returncode == 0, done.stderr
        used.append(json.loads(done.stdout.splitlines()[-1]))
    few, many = used
    # A few arrays of a number a row would be seen.
    assert abs(many - few) < 32, f"{few:.0f} MiB for 10,000 rows, {many:.0f} MiB for 1,000,000"
