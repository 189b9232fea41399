"""Networks on images of diffusion tensors: a gradient flow in flat coordinates."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.activations import Clip
from darboux.fields import GradientField
from darboux.integrators import Euler
from darboux.manifolds import SPD
from darboux.structure import Claim, Kind
from darboux.symmetry import Element, EquivariantConv, Feature, Octahedral
from darboux.symmetry import from_matrices as representation
from reproductions.diffusion_tensors.charts import Chart
from reproductions.diffusion_tensors.tensors import matrices, six

GROUP = Octahedral()


def turns() -> Tensor:
    """Return the rotations of the grid, (24, 3, 3), float64."""
    return torch.stack([torch.as_tensor(GROUP.action(g)).double() for g in GROUP.elements()])


def tensor_feature() -> Feature:
    """Return how six coordinates transform when grid and tensors are turned, D -> R D Rᵀ."""
    basis = matrices(torch.eye(6, dtype=torch.float64))
    actions = [six(r @ basis @ r.T).T for r in turns()]
    return Feature(GROUP, [representation(GROUP, torch.stack(actions), name="tensor")])


def gradient_flow(source: Feature, *, units: int, steps: int, threshold: float) -> dx.Flow:
    """Return a flow that is nonexpansive and commutes with rotations of the grid."""
    hidden = Feature(GROUP, ["regular"] * units)
    fields = [
        GradientField(
            EquivariantConv(source, hidden, kernel_size=3, dim=3, padding_mode="zeros"),
            Clip(threshold=threshold),
        )
        for _ in range(steps)
    ]
    return dx.Flow(fields, Euler(), steps=dx.ContractiveSteps(fraction=0.9))


@final
class TensorNetwork(nn.Module):
    """The map x -> c⁻¹(Φ(c(x))) with a chart c and a flow Φ of six coordinates.

    It is to the metric of the chart what Φ is to the Euclidean one: where c is an isometry onto
    all symmetric matrices, images of tensors stay images of tensors, and nonexpansive flows
    bring them no further apart.

    Shapes: (batch, X, Y, Z, 3, 3) to the same.

    Source: sections 2.2.1 and 2.3.
    """

    def __init__(self, chart: Chart, flow: dx.Flow) -> None:
        super().__init__()
        self.chart = chart
        self.flow = flow

    def forward(self, tensors: Tensor) -> Tensor:
        """Return the tensors, denoised."""
        return self.chart.tensors(self.flow(self.chart.coordinates(tensors)))

    def claims(self) -> list[Claim]:
        """Return that tensors stay positive definite, where the chart says so."""
        if not self.chart.positive:
            return []
        reason = f"what comes back from the {self.chart.name} chart is positive definite"
        return [Claim(dx.OnManifold(SPD(3)), Kind.CONSTRUCTION, reason)]


@torch.no_grad()
def turning_error(network: TensorNetwork, tensors: Tensor) -> float:
    """Return the largest ‖Ψ(π x) - π Ψ(x)‖ / ‖Ψ(x)‖ over the rotations π of the grid."""
    feature, found = tensor_feature(), network(tensors)

    def turned(element: Element, image: Tensor) -> Tensor:
        """Let voxels change places, and turn each tensor."""
        return matrices(feature.act(element, six(image).movedim(-1, 1)).movedim(1, -1))

    gaps = [(network(turned(g, tensors)) - turned(g, found)).norm() for g in GROUP.elements()]
    return float(torch.stack(gaps).max() / found.norm())
