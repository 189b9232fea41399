"""Experiments, run once in their quick size: a named part of them, and all with --slow."""

import fcntl
import os
import pickle

import pytest

from reproductions import EXPERIMENTS, reproduce

# the figures of the paper, and a quick one for each of its sections
ALWAYS = (
    "conformal-optimisers",
    "energy",
    "equivariant-denoiser",
    "geodesics",
    "half-moons",
    "ill-posed-training",
    "interferogram",
    "metric-rates",
    "optimal-control",
    "stability",
    "standard-map",
    "successive-approximations",
)


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, pytestconfig):
    """A function that returns (result, folder) of an experiment; workers share the runs.

    Tests of others than `ALWAYS` are slow.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "experiments"

    def get(name):
        if name not in ALWAYS and not pytestconfig.getoption("--slow"):
            pytest.skip("slow: runs with --slow")
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
        slow = pytest.mark.slow
        names = [n if n in ALWAYS else pytest.param(n, marks=slow) for n in EXPERIMENTS]
        metafunc.parametrize("experiment", names)
