"""The classifier with symmetry: exact invariance, its claim, its twin, life cycle, refusals."""

import pytest
import torch

import darboux as dx
from darboux.models._equivariant_classifier import equivariant_classifier
from darboux.symmetry import Cyclic, Dihedral, scalars
from darboux.testing import LIFECYCLE
from tests.models.checks import CHECKS

SMALL = {"widths": (1, 2), "kernel_size": 3}


def trained_statistics(network, size):
    """The network in evaluation mode, its running statistics those of some random images."""
    network = network.double().train()
    for _ in range(3):
        network(torch.randn(8, 1, size, size, dtype=torch.float64))
    return network.eval()


@pytest.mark.parametrize("size", [8, 9, 11])
@pytest.mark.parametrize("halvings", [0, 1])
@pytest.mark.parametrize("group", [Cyclic(4), Cyclic(8), Dihedral(4)], ids=repr)
def test_quarter_turns_change_nothing(group, halvings, size):
    network = trained_statistics(
        equivariant_classifier(1, 5, group=group, halvings=halvings, **SMALL), size
    )
    x = torch.randn(3, 1, size, size, dtype=torch.float64)
    turned = network(torch.rot90(x, 1, dims=(2, 3)))
    torch.testing.assert_close(turned, network(x), rtol=1e-11, atol=1e-12)
    mirrored = network(x.flip(2))
    close = torch.allclose(mirrored, network(x), rtol=1e-8, atol=1e-10)
    assert close == isinstance(group, Dihedral)


def test_the_twin_without_symmetry_does_change():
    network = trained_statistics(equivariant_classifier(1, 5, group=Cyclic(1), **SMALL), 8)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    change = (network(torch.rot90(x, 1, dims=(2, 3))) - network(x)).abs().max()
    assert float(change.detach()) > 1e-3


def test_the_twin_has_all_weights_of_a_convolution():
    network = equivariant_classifier(2, 5, group=Cyclic(1), widths=(3, 4))
    weights = 9 * (2 * 3 + 3 * 4) + 4 * 5
    scales_and_shifts = 2 * (3 + 4)
    assert sum(p.numel() for p in network.parameters()) == weights + scales_and_shifts


def test_the_whole_claims_invariance_and_the_certificate_holds():
    network = trained_statistics(equivariant_classifier(1, 3, group=Cyclic(4), **SMALL), 8).float()
    certificate = dx.certify(network, torch.randn(2, 1, 8, 8), effort="quick")
    assert certificate.holds, str(certificate)
    claimed = [row.structure for row in certificate.rows if row.level == "claim"]
    found = [claim for claim in claimed if isinstance(claim, dx.Equivariant)]
    assert found
    assert found[0].target == scalars(Cyclic(4), 3)


# statistics of the batch tell training from evaluation
@pytest.mark.parametrize("check", [name for name in CHECKS if name != "train_equals_eval"])
def test_lifecycle(check):
    LIFECYCLE[check](
        lambda: equivariant_classifier(1, 3, group=Cyclic(4), **SMALL).eval(),
        torch.randn(2, 1, 7, 6),
    )


@pytest.mark.parametrize("widths", [(), (2, 0)])
def test_widths_that_make_no_network_are_refused(widths):
    with pytest.raises(ValueError, match=r"xpected widths.*; got [\[\(]"):
        equivariant_classifier(1, 3, group=Cyclic(4), widths=widths)
