"""Every experiment, run once in its quick size."""

import pytest

from reproductions import EXPERIMENTS, reproduce


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """A function that returns (result, folder) of an experiment by name."""
    found = {}

    def get(name):
        if name not in found:
            folder = tmp_path_factory.mktemp("experiments") / name
            found[name] = reproduce(name, folder, quick=True), folder
        return found[name]

    return get


def pytest_generate_tests(metafunc):
    if "experiment" in metafunc.fixturenames:
        metafunc.parametrize("experiment", EXPERIMENTS)
