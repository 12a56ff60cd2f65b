"""A working folder with reviews."""

from pathlib import Path

import pytest

from tests.integration.auto.searches import reviews


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working folder with reviews: one file, and train and test apart."""
    folder = tmp_path_factory.mktemp("auto")
    (folder / "reviews.csv").write_text(reviews(40), encoding="utf-8")
    (folder / "apart").mkdir()
    (folder / "apart" / "train.csv").write_text(reviews(40), encoding="utf-8")
    (folder / "apart" / "test.csv").write_text(reviews(12, 40), encoding="utf-8")
    return folder
