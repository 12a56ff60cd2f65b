"""A run folder."""

import pytest

from autotune.config.schema import RunConfig
from autotune.registry import task
from autotune.run.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    config = RunConfig(task=task("ner").Config(), name="run", runs=str(tmp_path / "runs"))
    with RunFolder.open(config) as opened:
        yield opened
