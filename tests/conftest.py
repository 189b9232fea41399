"""Options and fixtures of all tests: device, slow tests, seeded random numbers."""

import gc
import random
import zlib

import numpy as np
import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--fast", action="store_true", help="the first case of every short test")
    parser.addoption("--device", default="cpu", help="where tensors live: cpu, cuda, ...")


def pytest_configure():
    torch.set_num_threads(1)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--fast"):
        short = [item for item in items if "long" not in item.keywords]
        first = {item.nodeid.partition("[")[0]: item for item in reversed(short)}
        kept = {id(item) for item in first.values()}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = [item for item in items if id(item) in kept]
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


def pytest_collection_finish():
    # what was imported and collected stays: the garbage collector need not search it every time
    gc.freeze()


@pytest.fixture(scope="session")
def device(request):
    """The device that --device names."""
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def seeded(request):
    """Give every test its own random numbers, the same in any order and on any worker."""
    seed = zlib.crc32(request.node.nodeid.encode())
    python, numpy = random.getstate(), np.random.get_state()
    # without a GPU torch.manual_seed would note the whole stack, for one that may come
    seed_torch = (
        torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed
    )
    with torch.random.fork_rng():
        seed_torch(seed)
        np.random.seed(seed)
        random.seed(seed)
        yield
    random.setstate(python)
    np.random.set_state(numpy)
