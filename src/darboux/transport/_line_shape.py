"""How straight the tracks of single samples are, and what else would look as straight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.transport._states import normal, precision_of, rounding_of, track_of

_NOISE = 4  # roundings of the features below which a step has no direction


@checked
def line_shape_score(trajectory: Tensor) -> Tensor:
    """Return the line-shape score of every sample: 1 on a straight track, larger on others.

    With u_k = (z_k - z_{k-1}) / ‖z_k - z_{k-1}‖ the score is K / ‖u_1 + ... + u_K‖. It asks
    for directions alone: the lengths of steps do not count. K independent directions of a space
    of many dimensions give √K, so that a score says little without K; `line_shape` returns
    the score beside such references.

    A step that rounding could have made has no direction and is left out, and K counts the others:
    repeated features change nothing. A track without any step has the score NaN, a closed one
    infinity.

    Shapes: trajectory is (K+1, batch, *features), as `Flow.trajectory` and `tracks` return it;
    the result is (batch,), in the precision of the trajectory, at least single, with gradients.

    Source: Gai and Zhang 2021, in the form that is used by others.

    Raises:
        TypeError: if the trajectory is no tensor of real floating-point numbers.
        ValueError: if it has no two states, or no axis of features.

    Example:
        >>> import torch
        >>> times = torch.tensor([0.0, 0.1, 0.5, 2.0])
        >>> line = times[:, None, None] * torch.tensor([[3.0, -1.0]])
        >>> bow = torch.stack([times, times.square()], dim=-1)[:, None]
        >>> line_shape_score(torch.cat([line, bow], dim=1))
        tensor([1.0000, 1.1084])
    """
    directions, moves = _directions("line_shape_score", trajectory)
    resultant = torch.linalg.vector_norm(directions.sum(dim=0), dim=-1)
    # not below 1, by the triangle inequality
    return (moves.sum(dim=0) / resultant).clamp(min=1.0).to(precision_of(trajectory))


@checked
def mean_turning_angle(trajectory: Tensor) -> Tensor:
    """Return the mean angle between successive steps of every sample, in radians.

    It is 0 on a straight track, π/2 for independent directions of a space of many dimensions, and
    2π/3 where features of successive layers are independent. Steps without a direction are left
    out as in `line_shape_score`; with fewer than two others the angle is NaN.

    Shapes: trajectory is (K+1, batch, *features); the result is (batch,), in its precision, at
    least single.

    Raises:
        TypeError: if the trajectory is no tensor of real floating-point numbers.
        ValueError: if it has no two states, or no axis of features.

    Example:
        >>> import torch
        >>> corner = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]], [[2.0, 1.0]]])
        >>> mean_turning_angle(corner)  # 0 and a quarter turn
        tensor([0.7854])
    """
    directions, moves = _directions("mean_turning_angle", trajectory)
    last, known = directions[0], moves[0]
    total, count = torch.zeros_like(last[:, 0]), torch.zeros_like(last[:, 0])
    for u, moved in zip(directions[1:], moves[1:], strict=True):
        apart, along = (torch.linalg.vector_norm(v, dim=-1) for v in (u - last, u + last))
        turned = moved & known
        total = total + torch.where(turned, 2 * torch.atan2(apart, along), 0.0)
        count = count + turned
        last, known = torch.where(moved[:, None], u, last), known | moved
    return (total / count).to(precision_of(trajectory))


def _directions(name: str, trajectory: Tensor) -> tuple[Tensor, Tensor]:
    """Return steps divided by their lengths, (K, batch, features), and which of them move."""
    states = track_of(name, trajectory)
    sizes = torch.linalg.vector_norm(states, dim=-1)
    steps = states.diff(dim=0)
    lengths = torch.linalg.vector_norm(steps, dim=-1)
    noise = _NOISE * rounding_of(trajectory) * torch.maximum(sizes[1:], sizes[:-1])
    # those that are not finite count, so that the score shows them
    moves = ~(lengths <= noise) | lengths.isinf()
    safe = torch.where(moves, lengths, 1.0)
    return torch.where(moves[..., None], steps / safe[..., None], 0.0), moves


@final
@dataclass(frozen=True)
class LineShape:
    """Line-shape scores of samples beside what they must be compared with, each (batch,).

    Example:
        >>> import torch, darboux as dx
        >>> walk = torch.randn(17, 50, 1000).cumsum(dim=0)
        >>> found = dx.transport.line_shape(walk)
        >>> abs(float(found.score.mean() / found.random_walk.mean()) - 1) < 0.03
        True
    """

    score: Tensor  # of the track
    turning_angle: Tensor  # of the track, in radians
    random_walk: Tensor  # √K, the score of as many independent directions
    shuffled: Tensor  # the score of the same states in a random order
    random_embedding: Tensor  # the score of normal features, mean and variance layer by layer

    def __str__(self) -> str:
        """Return means and standard deviations over the samples."""
        rows = {
            "line-shape score": self.score,
            "random walk, √K": self.random_walk,
            "layers shuffled": self.shuffled,
            "random embedding": self.random_embedding,
            "turning angle, rad": self.turning_angle,
        }
        return "\n".join(f"{name:<20}{_spread(values)}" for name, values in rows.items())


def _spread(values: Tensor) -> str:
    deviation = values.std(correction=0)
    return f"{float(values.mean()):.3f} ± {float(deviation):.3f}"


@checked
def line_shape(trajectory: Tensor, *, generator: torch.Generator | None = None) -> LineShape:
    """Return line-shape scores with the controls that they must be compared with.

    Three tracks are no network's: √K is the score of independent steps; the same states in an
    order of its own for each sample; and independent normal features with mean and variance of
    each layer, whose score is near K (NaN for one sample alone, which has no variance). A network
    whose score is not clearly below √K moves no straighter than at random.

    Shapes: trajectory is (K+1, batch, *features).

    Source: Gai and Zhang 2021; Pandey, Singh and Mahdid 2026 for shuffled layers and random
    embeddings.

    Args:
        trajectory: states of the layers, the input first.
        generator: of the order and of the normal features.

    Raises:
        TypeError: if the trajectory is no tensor of real floating-point numbers.
        ValueError: if it has no two states, or no axis of features.

    Example:
        >>> import torch, darboux as dx
        >>> line = torch.linspace(0, 1, 10)[:, None, None] * torch.randn(64, 20)
        >>> found = dx.transport.line_shape(line)
        >>> bool((found.score < found.random_walk).all() and (found.shuffled > 1.2).all())
        True
    """
    states = track_of("line_shape", trajectory)
    _, moves = _directions("line_shape", trajectory)
    order = normal(states.shape[:2], generator).argsort(dim=0).to(states.device)
    shuffled = states.gather(0, order[..., None].expand_as(states))
    mean = states.mean(dim=1, keepdim=True)
    # over n - 1: a single sample has no variance, and its control is NaN rather than its own track
    variance = (states - mean).square().sum(dim=1, keepdim=True) / (states.shape[1] - 1)
    embedding = mean + variance.sqrt() * normal(states.shape, generator).to(states.device)
    return LineShape(
        score=line_shape_score(trajectory),
        turning_angle=mean_turning_angle(trajectory),
        random_walk=moves.sum(dim=0).to(precision_of(trajectory)).sqrt(),
        shuffled=line_shape_score(shuffled.to(trajectory.dtype)),
        random_embedding=line_shape_score(embedding.to(trajectory.dtype)),
    )
