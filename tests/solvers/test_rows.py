"""Maps that mix rows are found, and others are not suspected."""

import pytest
import torch

from darboux.solvers._rows import mixing

APART = {
    "elementwise": torch.tanh,
    "matrix": lambda z: z @ torch.ones(2, 2).to(z),
    "row_sums": lambda z: z.sum(dim=1, keepdim=True) * z,
    "positive": lambda z: (1 + z.abs()).log(),
    "constant": torch.zeros_like,
    "index": lambda z: z * torch.arange(len(z)).reshape(-1, 1),
    "normalised": lambda z: torch.nn.functional.layer_norm(z, (2,)),
    "not_finite": lambda z: torch.where(torch.arange(len(z)).reshape(-1, 1) == 1, torch.nan, z),
}

MIXED = {
    "mean": lambda z: z - z.mean(dim=0),
    "neighbour": lambda z: z.roll(1, 0),
    "attention": lambda z: torch.softmax(z @ z.T, dim=1) @ z,
    "statistics": lambda z: torch.nn.functional.batch_norm(z, None, None, training=True),
    "faint": lambda z: z + 1e-3 * z.flip(0),
}


@pytest.mark.parametrize("rows", [1, 2, 3, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", APART)
def test_rows_apart(name, dtype, rows):
    assert mixing(APART[name], torch.randn(rows, 2, dtype=dtype)) is None


@pytest.mark.parametrize("rows", [2, 3, 17])
@pytest.mark.parametrize("name", MIXED)
def test_rows_mixed(name, rows):
    assert "changes where other rows" in mixing(MIXED[name], torch.randn(rows, 2))


@pytest.mark.parametrize("i", range(9))
def test_one_row_that_sees_one_other_is_found(i):
    j = (4 * i + 1) % 9 if (4 * i + 1) % 9 != i else 8

    def sparse(z):
        out = z.clone()
        out[i] += z[j]
        return out

    assert mixing(sparse, torch.randn(9, 3)).startswith(f"row {i} of it")


def test_as_many_evaluations_as_it_says():
    calls = [0]

    def counted(z):
        calls[0] += 1
        return -z

    for rows, expected in ((1, 0), (2, 4), (5, 8), (64, 14)):
        calls[0] = 0
        assert mixing(counted, torch.randn(rows, 2)) is None
        assert calls[0] == expected


def test_positive_rows_stay_positive_and_zeros_move():
    def logarithm(z):
        assert bool((z > 0).all())
        return z.log() + z.log().mean(dim=0)

    assert "row 0" in mixing(logarithm, torch.rand(4, 2) + 0.1)
    assert "row 0" in mixing(lambda z: z.sum(dim=0).expand_as(z), torch.zeros(4, 2))


def test_complex_and_random_maps():
    z = torch.randn(4, 2, dtype=torch.complex64)
    assert mixing(torch.exp, z) is None
    assert "row" in mixing(lambda z: z.flip(0).conj(), z)
    assert "evaluated again" in mixing(torch.rand_like, torch.zeros(3, 2))


def test_no_random_number_is_used():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    mixing(torch.tanh, torch.ones(5, 2))
    assert torch.equal(torch.rand(3), expected)


def test_nothing_is_said_where_values_are_not_known():
    z = torch.ones(3, 4, 2)
    torch.func.vmap(lambda z: (mixing(torch.tanh, z), z)[1])(z)
    assert mixing(MIXED["mean"], torch.ones(3, 2, device="meta")) is None
