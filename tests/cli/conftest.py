"""A finished run that tests of several commands copy."""

import pytest

from tests.support.forks import forks


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished sentiment run, named first."""
    folder = tmp_path_factory.mktemp("finished")
    done = forks().start(
        "task=sentiment", "debug=smoke", "check=none", "report=none", f"runs={folder}", "name=first", cwd=folder
    ).ended()  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "first"
