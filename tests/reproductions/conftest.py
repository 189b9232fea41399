"""Every experiment, run once in its quick size."""

import fcntl
import os
import pickle

import pytest

from reproductions import EXPERIMENTS, reproduce


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """A function that returns (result, folder) of an experiment; workers share the runs."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "experiments"

    def get(name):
        folder, kept = shared / name / name, shared / f"{name}.pickle"
        shared.mkdir(exist_ok=True)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                result = reproduce(name, folder, quick=True, overwrite=True)
                kept.write_bytes(pickle.dumps(result))
        return pickle.loads(kept.read_bytes()), folder

    return get


def pytest_generate_tests(metafunc):
    if "experiment" in metafunc.fixturenames:
        metafunc.parametrize("experiment", EXPERIMENTS)
