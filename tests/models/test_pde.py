"""Parabolic, hyperbolic and Hamiltonian blocks, and networks of them."""

import pytest
import torch
import torch.nn.functional as F

import darboux as dx
from darboux.models import hamiltonian_block, hyperbolic_block, parabolic_block, pde_network
from darboux.structure import Kind
from darboux.testing import LIFECYCLE
from tests.models.checks import CHECKS

BLOCKS = {
    "parabolic": parabolic_block,
    "hyperbolic": hyperbolic_block,
    "hamiltonian": hamiltonian_block,
}


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_keeps_shapes_in_every_dimension(name, dim):
    z = torch.randn(2, 4, *(6, 5, 4)[:dim])
    assert BLOCKS[name](4, depth=2, dim=dim, units=3)(z).shape == z.shape


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", BLOCKS)
def test_lifecycle(name, check):
    LIFECYCLE[check](lambda: BLOCKS[name](4, depth=2), torch.randn(2, 4, 5, 4))


def test_parabolic_block_is_nonexpansive_for_all_parameters():
    """Theorem 1 of Ruthotto and Haber, for the discrete network."""
    block = parabolic_block(4).double()
    for weight in block.parameters():
        torch.nn.init.normal_(weight, std=10.0)
    x, y = torch.randn(2, 3, 4, 6, 6, dtype=torch.float64)
    assert (block(x) - block(y)).norm() <= (x - y).norm()
    assert block.claims().find(dx.Lipschitz).kind is Kind.CONSTRUCTION


def test_hyperbolic_block_is_the_leapfrog_of_the_wave_equation():
    block = hyperbolic_block(3, depth=4, horizon=2.0).double()
    fields, h = block.inner.fields, 0.5
    z = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    before, now = z, z
    for field in fields:
        before, now = now, 2 * now - before + h**2 * field.kick(0.0, now, now)
    torch.testing.assert_close(block(z), now)


def test_hamiltonian_block_is_symplectic_with_an_inverse():
    block = hamiltonian_block(4).double()
    z = torch.randn(2, 4, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(block.inverse(block(z)), z)
    assert dx.certify(block, z, effort="quick").holds
    assert block.claims().find(dx.Symplectic).kind is Kind.CONSTRUCTION


def test_hamiltonian_block_refuses_odd_channels():
    with pytest.raises(ValueError, match=r"even number of features.*got 5. Use 6"):
        hamiltonian_block(5)


def test_network_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match=r"'parabolic' or .*; got 'elliptic'"):
        pde_network("elliptic", in_channels=1, classes=2)


@pytest.mark.parametrize("kind", BLOCKS)
def test_network_learns_to_tell_stripes_apart(kind):
    torch.manual_seed(0)
    x = torch.zeros(16, 1, 12, 11)
    x[:8, :, ::2] = 1.0
    x[8:, :, :, ::2] = 1.0
    x, y = x + 0.2 * torch.randn(x.shape), torch.arange(16) // 8
    net = pde_network(kind, in_channels=1, classes=2, widths=(4, 8), depth=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(25):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert (net(x).argmax(dim=1) == y).all()
