"""Distances of curves of rotations."""

import pytest
import torch

from darboux.manifolds import SE, SO, curve_distance, invariant_curve_distance

ROTATIONS = SO(3)


def curve(count, *, size=0.3):
    """Return a random curve of rotations, (count + 1, 3, 3)."""
    turns = ROTATIONS.expm(ROTATIONS.hat(size * torch.randn(count, 3, dtype=torch.float64)))
    points = [ROTATIONS.random_point(dtype=torch.float64)]
    for turn in turns:
        points.append(turn @ points[-1])
    return torch.stack(points)


def resampled(x, counts):
    """Return the curve with so many equal steps in place of each."""
    points = [x[0]]
    for before, after, count in zip(x[:-1], x[1:], counts, strict=True):
        way = ROTATIONS.logm(after @ before.T) / count
        points += [ROTATIONS.expm(k * way) @ before for k in range(1, count + 1)]
    return torch.stack(points)


def brute_force(a, b, longest):
    """Return the largest Σ over all matchings, by recursion."""
    if len(a) == 0 or len(b) == 0:
        return 0.0
    found = [brute_force(a[1:], b, longest), brute_force(a, b[1:], longest)]
    for r in range(1, longest + 1):
        if r <= len(b):
            gain = float(a[0] @ b[:r].sum(0)) / r**0.5
            found.append(gain + brute_force(a[1:], b[r:], longest))
        if r <= len(a):
            gain = float(a[:r].sum(0) @ b[0]) / r**0.5
            found.append(gain + brute_force(a[r:], b[1:], longest))
    return max(found)


def test_the_formula_of_the_paper():
    x, y = curve(6), curve(6)
    total = 0.0
    for k in range(6):
        v, w = (ROTATIONS.logm(c[k + 1] @ c[k].T) for c in (x, y))
        v, w = (u / ROTATIONS.vee(u).norm().sqrt() for u in (v, w))
        total += ROTATIONS.vee(v - w).square().sum()
    torch.testing.assert_close(curve_distance(ROTATIONS, x, y), total.sqrt())


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_dynamic_programming_finds_the_best_matching(longest):
    from darboux.manifolds._curves import root_velocities

    x, y = curve(4), curve(5)
    a, b = root_velocities(ROTATIONS, x), root_velocities(ROTATIONS, y)
    square = a.square().sum() + b.square().sum() - 2 * brute_force(a, b, longest)
    found = invariant_curve_distance(ROTATIONS, x, y, longest=longest)
    torch.testing.assert_close(found**2, square)


def test_parametrisations_of_one_curve_are_at_distance_0():
    x = curve(12)
    y = resampled(x, [1 + k % 4 for k in range(12)])
    assert invariant_curve_distance(ROTATIONS, x, y) < 1e-6
    assert invariant_curve_distance(ROTATIONS, y, x) < 1e-6
    assert invariant_curve_distance(ROTATIONS, x, curve(12)) > 1


def test_it_is_symmetric_and_never_longer():
    x, y = curve(10), curve(10)
    both = [invariant_curve_distance(ROTATIONS, *pair) for pair in ((x, y), (y, x))]
    torch.testing.assert_close(*both)
    assert both[0] < curve_distance(ROTATIONS, x, y)


@pytest.mark.parametrize("distance", [curve_distance, invariant_curve_distance])
def test_moving_both_curves_changes_nothing(distance):
    x, y = curve(8), curve(8)
    left, right = ROTATIONS.random_point(2, dtype=torch.float64)
    moved = distance(ROTATIONS, left @ x @ right, left @ y @ right)
    torch.testing.assert_close(moved, distance(ROTATIONS, x, y))


@pytest.mark.parametrize("distance", [curve_distance, invariant_curve_distance])
def test_batches_and_gradients(distance):
    x, y = (torch.stack([curve(6), curve(6)]).requires_grad_() for _ in range(2))
    found = distance(ROTATIONS, x, y)
    each = torch.stack([distance(ROTATIONS, a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(found, each)
    found.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
    still = ROTATIONS.identity(4, dtype=torch.float64).requires_grad_()
    distance(ROTATIONS, still, still).backward()
    assert still.grad.isfinite().all()


def test_other_groups():
    group = SE(2)
    x, y = group.random_point(2, 5, dtype=torch.float64)
    assert curve_distance(group, x, y) > 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: curve_distance(ROTATIONS, curve(3), curve(4)), "as many points; got 4 and 5"),
        (lambda: curve_distance(ROTATIONS, torch.eye(3), torch.eye(3)), r"expected a curve \("),
        (lambda: invariant_curve_distance(ROTATIONS, curve(3), curve(3)[:1]), "m >= 2"),
    ],
)
def test_bad_curves(call, match):
    with pytest.raises(ValueError, match=match):
        call()
