"""Wasserstein distances of clouds of points, exact and sliced."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from darboux.structure._arguments import Count, checked
from darboux.transport._states import normal, points_of, precision_of, rounding_of

_MOST = 5000  # points: 200 MB of costs


def pairing(name: str, x: Tensor, y: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """Return inner products of the centred points, and the best partners of x, (count,).

    Costs ‖x_i - y_j‖² differ from twice the products by what no pairing changes. Where the
    given pairs are as good as others up to rounding, they are taken.
    """
    if x.shape != y.shape or len(x) > _MOST:
        msg = (
            f"{name}: expected as many points of as many features, at most {_MOST}; got "
            f"{tuple(x.shape)} and {tuple(y.shape)}. Take a part of them; "
            "sliced_wasserstein_distance takes more."
        )
        raise ValueError(msg)
    with torch.no_grad():
        a, b = x - x.mean(dim=0), y - y.mean(dim=0)
        products = a @ b.T
        sizes = [torch.linalg.vector_norm(v) for v in (a, y, b, x)]
        tie = rounding * float(sizes[0] * sizes[1] + sizes[2] * sizes[3]) / len(x)
        gains = products.cpu().numpy().copy()
        gains[range(len(x)), range(len(x))] += tie
        _, partners = linear_sum_assignment(gains, maximize=True)
    return products, torch.from_numpy(partners).to(x.device)


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Return the root of the mean of ‖x_i - y_i‖², with the slope 0 at 0."""
    return torch.linalg.vector_norm(x - y) / len(x) ** 0.5


@checked
def wasserstein_distance(x: Tensor, y: Tensor) -> Tensor:
    """Return the Wasserstein distance W₂ of two clouds with as many points, exactly.

    W₂² is the least mean of ‖x_i - y_σ(i)‖² over permutations σ, found as a linear assignment:
    cubic in the number of points at worst, about a second for 1000 of them.

    Shapes: x and y are (count, *features), at most 5000 points; the result is (), in their
    precision, at least single, with gradients.

    Raises:
        TypeError: if one is no tensor of real floating-point numbers.
        ValueError: if shapes differ, there is no point or there are too many, or a feature is not
            finite.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
        >>> wasserstein_distance(x, torch.tensor([[4.0, 3.0], [0.0, 3.0]]))
        tensor(3.)
    """
    a, b = (points_of("wasserstein_distance", points) for points in (x, y))
    _, partners = pairing("wasserstein_distance", a, b, rounding_of(x, y))
    return distance(a, b[partners]).to(precision_of(x, y))


@checked
def sliced_wasserstein_distance(
    x: Tensor, y: Tensor, *, directions: Count = 128, generator: torch.Generator | None = None
) -> Tensor:
    """Return the sliced Wasserstein distance of two clouds, for many points.

    SW₂² is the mean of W₂² between projections to random unit directions, each found by sorting:
    n log n for n points, and the clouds may have different numbers of them. It estimates no W₂: a
    shift by v in d dimensions has W₂ = ‖v‖ and SW₂ = ‖v‖/√d.

    Shapes: x is (count, *features) and y (another count, *features); the result is (), in their
    precision, at least single, with gradients.

    Source: Rabin, Peyré, Delon and Bernot 2012.

    Args:
        x: points.
        y: others, of as many features.
        directions: how many there are; the error falls with the root of it.
        generator: of the directions.

    Raises:
        TypeError: if one is no tensor of real floating-point numbers.
        ValueError: if features differ, there is no point, or a feature is not finite.

    Example:
        >>> import torch
        >>> x = torch.randn(10_000, 2)
        >>> shifted = sliced_wasserstein_distance(x, x + torch.tensor([3.0, 4.0]), directions=2000)
        >>> abs(float(shifted) / (5 / 2**0.5) - 1) < 0.1
        True
    """
    a, b = (points_of("sliced_wasserstein_distance", points) for points in (x, y))
    if a.shape[1] != b.shape[1]:
        msg = (
            "sliced_wasserstein_distance: expected points of as many features; got "
            f"{a.shape[1]} and {b.shape[1]}."
        )
        raise ValueError(msg)
    rays = normal((a.shape[1], directions), generator).to(a)
    rays = rays / torch.linalg.vector_norm(rays, dim=0)
    squares = _quantile_squares((a @ rays).sort(dim=0).values, (b @ rays).sort(dim=0).values)
    return (torch.linalg.vector_norm(squares) / directions**0.5).to(precision_of(x, y))


def _quantile_squares(a: Tensor, b: Tensor) -> Tensor:
    """Return √width · (difference of quantiles), a row for each piece where both are constant."""
    n, m = len(a), len(b)
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    widths = ends.diff(prepend=ends.new_zeros(1)).to(a) / (n * m)
    rows = [((ends - 1) // each).to(a.device) for each in (m, n)]
    return widths.sqrt()[:, None] * (a[rows[0]] - b[rows[1]])
