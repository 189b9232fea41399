"""Convolutions at several scales: dilations move them by one scale, up to a bound."""

import dataclasses
import math

import pytest
import torch

from darboux.certification._attacks import nearly_scale_equivariant as nearly_scale_equivariant
from darboux.certification._finding import NotAttackedError, attack
from darboux.certification._target import Effort, Target
from darboux.linear import Conv
from darboux.structure._near_equivariance import NearlyScaleEquivariant
from darboux.symmetry._equivariance_error import stencil_of, symbol_sum
from darboux.symmetry._exponential_sum import evaluate
from darboux.symmetry._scale_conv import ScaleConv, ScalePooling
from darboux.symmetry._scale_error import near_scale_claim, scale_error
from darboux.symmetry._scalings import Scalings, hermite_kernels
from darboux.testing import (
    LIFECYCLE,
    check_adjoint,
    check_lifecycle,
    check_norm_bound,
    check_row_bound,
)
from tests.lifecycles import lifecycle_cases

assert nearly_scale_equivariant  # registers the attack


def lifting(scales=3, kernel=17, factor=2**0.5, fields=2, **options):
    return ScaleConv(
        1, fields, scales=Scalings(factor, scales), kernel_size=kernel, lifting=True, **options
    ).double()


def inner(scales=3, kernel=17, extent=2, **options):
    return ScaleConv(
        2, 2, scales=scales, kernel_size=kernel, lifting=False, extent=extent, **options
    ).double()


MAPS = {
    "lifting": lifting,
    "inner": inner,
    "inner, extent 1": lambda kernel=17: inner(kernel=kernel, extent=1),
}


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_hermite_functions_are_orthonormal(dim):
    """Fine samples of a wide kernel: ∫ ψ_m ψ_n = δ_mn."""
    step = 6.0 if dim < 3 else 3.0
    found = hermite_kernels(2, (step,), 61 if dim < 3 else 31, dim)[:, 0].flatten(1)
    gram = found @ found.T * step**dim
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64), atol=1e-9, rtol=0)


def blobs(side, *, scale=1.0):
    """Return a sum of Gaussians at f(p/scale), sampled exactly; 0 is the centre pixel."""
    axis = torch.arange(side, dtype=torch.float64) - side // 2
    p = torch.cartesian_prod(axis, axis) / scale
    image = torch.zeros(len(p), dtype=torch.float64)
    for x, y, width, sign in ((3.0, 1.0, 2.0, 1.0), (-4.0, 2.5, 2.5, -1.0), (0.5, -3.0, 1.8, 0.7)):
        image += sign * torch.exp(-((p[:, 0] - x) ** 2 + (p[:, 1] - y) ** 2) / 2 / width**2)
    return image.reshape(1, 1, side, side)


def test_blobs_move_by_a_scale():
    """With factor 2 the grid of the dilated response contains the plain one: p -> 2p."""
    conv = lifting(factor=2.0, kernel=25, scales=2)
    side = 129
    with torch.no_grad():
        plain = conv.scalings.split(conv(blobs(side)))
        dilated = conv.scalings.split(conv(blobs(side, scale=2.0)))
    here = plain[:, :, 0, 44:85, 44:85]
    there = dilated[:, :, 1, 24:105:2, 24:105:2]
    difference = float((there - here).norm() / blobs(side).norm())
    bound = scale_error(conv, band=2.0)  # the spectrum of the blobs beyond 2 is below 2 %
    assert difference <= bound.upper
    assert difference < 0.02 * float(here.norm() / blobs(side).norm())
    assert float((dilated[:, :, 0, 24:105:2, 24:105:2] - here).norm()) > 10 * float(
        (there - here).norm()
    )


@pytest.mark.parametrize("name", MAPS)
def test_bound_of_waves(name):
    conv = MAPS[name]()
    found = scale_error(conv, band=1.0)
    assert 0 < found.lower <= found.upper <= 1.1 * found.lower
    symbol = symbol_sum(stencil_of(conv))
    angle = torch.rand(400, dtype=torch.float64) * 2 * math.pi
    xi = torch.stack([angle.cos(), angle.sin()], dim=1) * torch.rand(400, 1).double().sqrt()
    xi[:200] /= xi[:200].norm(dim=1, keepdim=True)
    count = conv.scalings.count

    def parts(frequencies, rows, columns):
        value = evaluate(symbol.points, symbol.matrices, frequencies).unflatten(1, (-1, count))
        value = value[:, :, rows].flatten(1, 2)
        if conv.lifting:
            return value
        return value.unflatten(2, (-1, count))[..., columns].flatten(2)

    long = parts(xi / conv.scalings.factor, slice(1, None), slice(1, None))
    short = parts(xi, slice(0, -1), slice(0, -1))
    worst = float(torch.linalg.matrix_norm(long - short, ord=2).max())
    assert 0.9 * found.lower <= worst <= found.upper


def test_larger_kernels_err_less():
    """Three widths fit into all kernels; beside larger ones the pixels are small."""
    torch.manual_seed(0)
    convs = [lifting(kernel=kernel) for kernel in (9, 13, 21)]
    for conv in convs:
        conv.weight.data.copy_(convs[0].weight)
    relative = [scale_error(conv, band=2 / conv.steps[0]).lower for conv in convs]
    assert relative[0] > 1.5 * max(relative[1:])


@pytest.mark.parametrize("name", MAPS)
def test_is_a_linear_map(name):
    conv = MAPS[name](kernel=9)
    x = torch.randn(2, conv.in_features, 9, 8, dtype=torch.float64)
    check_adjoint(conv, x)
    check_norm_bound(conv, (6, 5))
    check_row_bound(conv, (6, 5))


BUILD = {
    f"{'lifting' if lifting else 'inner'}-{dim}": lambda dim=dim, lifting=lifting: ScaleConv(
        2, 2 - (not lifting), scales=2, kernel_size=7, dim=dim, lifting=lifting, extent=2
    )
    for dim in (2, 1, 3)
    for lifting in (True, False)
}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(BUILD))
def test_lifecycle(name, check):
    module = BUILD[name]()
    LIFECYCLE[check](BUILD[name], torch.randn(2, module.in_features, *(5,) * module.dim))


@pytest.mark.parametrize("name", MAPS)
def test_starts_with_norm_about_one(name):
    assert 0.2 < float(MAPS[name](kernel=9).norm_bound().detach()) < 3


def test_scales_read_themselves_and_larger_ones():
    weight = inner(extent=2).stencil().weight.detach().unflatten(0, (2, 3)).unflatten(2, (2, 3))
    used = weight.abs().amax(dim=(0, 2, 4, 5)) > 0
    assert used.tolist() == [[True, True, False], [False, True, True], [False, False, True]]


def test_pooling():
    pool = ScalePooling(3)
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(pool(x), x.reshape(2, 2, 3, 4, 4).max(dim=2).values)
    assert pool.claims().claims[0].structure.constant == 1.0
    check_lifecycle(lambda: ScalePooling(3), x)


def aim(conv, size=13, effort="normal"):
    example = torch.randn(1, conv.in_features, size, size, dtype=torch.float64)
    seed = torch.Generator().manual_seed(0)
    return Target(conv, example, Effort.named(effort), seed, stored=torch.float64)


@pytest.mark.parametrize("name", ["lifting", "inner"])
def test_attack(name):
    conv = MAPS[name](kernel=9)
    structure = near_scale_claim(conv, band=1.0).structure
    true = scale_error(conv, band=1.0)
    effort = "normal" if name == "lifting" else "quick"
    finding = attack(structure, aim(conv, effort=effort))
    assert not finding.refuted
    assert 0.9 * true.lower <= finding.worst.measured <= true.upper
    planted = dataclasses.replace(structure, error=0.8 * structure.error)
    assert attack(planted, aim(conv, effort=effort)).refuted


def test_attack_does_not_apply():
    structure = NearlyScaleEquivariant(2.0, 3, lifting=True, band=1.0, error=1.0)
    conv = Conv(1, 4, kernel_size=3, dim=2).double()
    with pytest.raises(NotAttackedError, match="no multiple of the 3 scales promised"):
        attack(structure, aim(conv))


def test_structure():
    near = NearlyScaleEquivariant(2.0, 3, lifting=True, band=1.0, error=0.1)
    assert near.after(near) is None
    assert near.at_least(dataclasses.replace(near, band=0.5, error=0.2))
    assert not near.at_least(dataclasses.replace(near, scales=2))
    with pytest.raises(ValueError, match="expected factor to be a number above 1"):
        dataclasses.replace(near, factor=1.0)
    with pytest.raises(ValueError, match="expected error to be a number of 0 or more"):
        dataclasses.replace(near, error=-1.0)


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (lambda: Scalings(1.0), ValueError, "expected factor to be a number above 1, .*; got 1.0"),
        (lambda: Scalings(count=0), ValueError, "number of scales from 1 to 64; got 0"),
        (lambda: lifting(kernel=4), ValueError, "expected an odd kernel_size; got 4"),
        (
            lambda: lifting(kernel=5),
            ValueError,
            r"got 5 taps.*Use kernel_size >= 9",
        ),
        (lambda: inner(extent=4), ValueError, "expected 1 <= extent <= 3 scales; got 4"),
        (
            lambda: lifting(degree=-1),
            ValueError,
            "expected degree to be a degree from 0 to 32; got -1",
        ),
        (
            lambda: lifting(padding_mode="same"),
            ValueError,
            "expected padding_mode to be 'circular' or",
        ),
        (lambda: scale_error(lifting(scales=1), band=1.0), ValueError, "at least 2 scales; got 1"),
        (
            lambda: scale_error(lifting(), band=-1.0),
            ValueError,
            "expected band to be a frequency above 0, .*; got -1.0",
        ),
        (
            lambda: scale_error(Conv(1, 1, kernel_size=3, dim=2), band=1.0),
            TypeError,
            "to be a ScaleConv; got a Conv",
        ),
        (
            lambda: ScalePooling(3)(torch.ones(1, 4)),
            ValueError,
            "a multiple of 3 scales; got shape",
        ),
    ],
)
def test_refusals(act, kind, words):
    with pytest.raises(kind, match=words):
        act()
