"""Every flow of the catalogue keeps what it claims."""

import pytest
import torch

import darboux as dx
from darboux.structure import claims_of
from darboux.testing import check_descent, check_trajectory
from tests.catalogue.flow import COMPOSED as CASES
from tests.catalogue.flow import example_shape

FLOWS = [name for name, build in CASES.items() if isinstance(build(), dx.Flow)]
CONTRACTIVE = [
    name
    for name, build in CASES.items()
    if (claim := claims_of(build()).find(dx.Lipschitz)) and claim.structure.constant <= 1
]


def _example(name, batch=2):
    return torch.randn(batch, *example_shape(name))


@pytest.mark.parametrize("name", FLOWS)
def test_trajectory(name):
    check_trajectory(CASES[name](), _example(name))


@pytest.mark.parametrize("name", CONTRACTIVE)
def test_pairs_do_not_separate(name):
    module = CASES[name]().double()
    for scale in (1e-2, 1.0, 1e2):
        x, y = (scale * _example(name, 64).double() for _ in range(2))
        before, after = (
            (y - x).flatten(1).norm(dim=1),
            (module(y) - module(x)).flatten(1).norm(dim=1),
        )
        assert float((after / before).detach().max()) <= 1 + 1e-12


@pytest.mark.parametrize("name", ["euler-rows", "euler-norm", "euler-conv-clip"])
def test_descent(name):
    check_descent(CASES[name]().double(), _example(name).double())


def test_catalogue_has_contractive_members():
    assert len(CONTRACTIVE) >= 8
