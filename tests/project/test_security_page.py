"""What .github/SECURITY.md promises is proven by tests that exist."""

import re

import pytest

from tests.support import ROOT

PAGE = ROOT / ".github" / "SECURITY.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the page stays in the repository")
def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text("utf-8"))
    assert len(named) > 20
    for file, test in named:
        text = (ROOT / file).read_text("utf-8")
        assert not test or f"def {test}(" in text, f"{file}::{test}"
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][2:]
    assert not [row for row in rows if "`tests/" not in row], "a promise without a proof"
