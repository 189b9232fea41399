"""Plain and stable networks of equal width and depth on digits, and their Jacobians."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import darboux as dx
from darboux.activations import Tanh
from darboux.integrators import Euler, StormerVerlet
from darboux.linear import Dense
from darboux.solvers import descend
from reproductions.common.classification import LabelledImages, accuracy, labelled_digits
from reproductions.random_matrices.plain import PLAIN, Plain

WIDTH = 64  # the pixels of a digit
_CLASSES = 10
_HORIZON = 4.0
_HELD_OUT = 300
_JACOBIANS = 16  # digits at which Jacobians are taken
_BATCH, _RATE = 128, 2e-3
GAUSSIAN, ORTHOGONAL = "plain, Gaussian", "plain, orthogonal"
RESNET, SKEW, HAMILTONIAN, CONTRACTIVE = "ResNet", "antisymmetric", "Hamiltonian", "contractive"


@dataclass(frozen=True)
class Fitted:
    """Singular values of ∂z_k/∂z_0 before and after training, and the accuracies."""

    start: Tensor  # (layers, digits, width), largest first, float64
    end: Tensor  # the same after training
    accuracies: tuple[float, float]  # on held-out digits


def fitted(name: str, *, depth: int, steps: int, seed: int) -> Fitted:
    """Train a network on digits, with the same data and batches for all."""
    torch.manual_seed(seed)
    training, held_out = _digits()
    body = _BUILDERS[name](depth)
    head = nn.Linear(WIDTH, _CLASSES)
    network = nn.Sequential(nn.Flatten(), body, head)
    points = held_out.images[:_JACOBIANS].flatten(1)
    before, start = accuracy(network, held_out), singular_values(_layers(body), points)
    adam = torch.optim.Adam(network.parameters(), lr=_RATE)
    batches = (torch.randint(len(training.images), (_BATCH,)) for _ in range(steps))
    descend(
        adam,
        lambda rows: F.cross_entropy(network(training.images[rows]), training.classes[rows]),
        batches,
    )
    end = singular_values(_layers(body), points)
    return Fitted(start, end, (before, accuracy(network, held_out)))


def singular_values(layers: Sequence[nn.Module], z: Tensor) -> Tensor:
    """Return the singular values of the Jacobian behind each layer, (layers, points, features).

    Example:
        >>> half = nn.Linear(2, 2, bias=False)
        >>> with torch.no_grad():
        ...     _ = half.weight.copy_(torch.eye(2) / 2)
        >>> singular_values([half, half], torch.ones(1, 2))[:, 0, 0].tolist()
        [0.5, 0.25]
    """
    z = z.double()
    jacobian = torch.eye(z.shape[1], dtype=torch.float64).expand(len(z), -1, -1)
    found = []
    for layer in layers:
        own = torch.autograd.functional.jacobian(
            lambda x, layer=layer: layer.double()(x).sum(dim=0), z
        )
        jacobian = own.movedim(1, 0) @ jacobian
        with torch.no_grad():
            z = layer(z)
        found.append(torch.linalg.svdvals(jacobian))
        layer.float()
    return torch.stack(found)


def _digits() -> tuple[LabelledImages, LabelledImages]:
    """Return digits to learn from and to judge by, with the size that plain layers keep."""
    data = labelled_digits()
    deviation, mean = torch.std_mean(data.images)
    images = tanh_network(gaussian=True).input / deviation * (data.images - mean)
    rows = torch.randperm(len(images))
    return (
        LabelledImages(images[rows[_HELD_OUT:]], data.classes[rows[_HELD_OUT:]]),
        LabelledImages(images[rows[:_HELD_OUT]], data.classes[rows[:_HELD_OUT]]),
    )


def _layers(body: nn.Sequential | dx.Flow) -> list[nn.Module]:
    return [layer for _, layer in body.maps()] if isinstance(body, dx.Flow) else [*body]


def _plain(depth: int, *, gaussian: bool) -> nn.Sequential:
    """Return layers tanh(Wz + b) at the critical point."""
    found = tanh_network(gaussian=gaussian).layers(WIDTH, depth, torch.default_generator)
    return nn.Sequential(*(nn.Sequential(each.float(), nn.Tanh()) for each in found))


def tanh_network(*, gaussian: bool) -> Plain:
    """Return the plain network of tanh layers."""
    return next(case for case in PLAIN if case.name == "tanh" and case.gaussian is gaussian)


def _dense(features: int = WIDTH) -> Dense:
    """Return a map with entries of variance 1/features."""
    found = Dense(features, features)
    nn.init.normal_(found.weight, std=1 / math.sqrt(features))
    return found


def _flow(field: Callable[[], dx.fields.VectorField], depth: int) -> dx.Flow:
    return dx.Flow([field() for _ in range(depth)], Euler(), horizon=_HORIZON)


def _hamiltonian(depth: int) -> dx.Flow:
    half = WIDTH // 2
    fields = [dx.fields.HamiltonianField(_dense(half), _dense(half), Tanh()) for _ in range(depth)]
    return dx.Flow(fields, StormerVerlet(), horizon=_HORIZON)


def _contractive(depth: int) -> dx.Flow:
    fields = [dx.fields.GradientField(_dense(), Tanh()) for _ in range(depth)]
    return dx.Flow(fields, Euler(), steps=dx.ContractiveSteps())


_BUILDERS: dict[str, Callable[[int], nn.Sequential | dx.Flow]] = {
    GAUSSIAN: lambda depth: _plain(depth, gaussian=True),
    ORTHOGONAL: lambda depth: _plain(depth, gaussian=False),
    RESNET: lambda depth: _flow(lambda: dx.fields.ResidualField(_dense(), Tanh()), depth),
    SKEW: lambda depth: _flow(lambda: dx.fields.AntisymmetricField(_dense(), Tanh()), depth),
    HAMILTONIAN: _hamiltonian,
    CONTRACTIVE: _contractive,
}
NETWORKS = tuple(_BUILDERS)
