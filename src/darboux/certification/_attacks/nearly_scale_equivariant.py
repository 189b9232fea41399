"""The attack on near equivariance under dilations: plane waves of two lengths."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.certification._attacks.waves import Waves
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._target import Target
from darboux.structure._near_equivariance import NearlyScaleEquivariant

_RANDOM = 256

_ROUNDS = 40

_MOVES = 16

_SHRINK = 0.75


@attack.register
def _(structure: NearlyScaleEquivariant, target: Target) -> Finding:
    """Compare the response of scale k to a longer wave with that of scale k - 1 to a wave."""
    # Random frequencies first; then the worst one is moved as long as that helps.
    search = _Search(structure, target)
    count = search.waves.pays_for(2 * _RANDOM, fraction=0.1) // 2
    frequencies = search.frequencies(count)
    errors, sizes = search.errors(frequencies)
    k = int(errors.argmax())
    random = search.trial("random waves", count, frequencies[k], errors[k], sizes[k])
    return Finding(structure.error, (random, search.refined(frequencies[k], errors[k], sizes[k])))


@final
class _Search:
    """The search for the frequency with the largest error."""

    def __init__(self, structure: NearlyScaleEquivariant, target: Target) -> None:
        self.structure = structure
        self.target = target
        self.waves = Waves(target)
        inputs = 1 if structure.lifting else structure.scales
        if self.waves.out % structure.scales or self.waves.channels % inputs:
            msg = f"channels are no multiple of the {structure.scales} scales promised"
            raise NotAttackedError(msg)

    def errors(self, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """Return ‖Â(ξ/s) S - S Â(ξ)‖₂ and the size of both terms, (P,) each."""
        count = self.structure.scales
        long = frequencies / self.structure.factor
        dilated, plain = self.waves.symbols(torch.cat([long, frequencies])).chunk(2)
        first = dilated.unflatten(1, (-1, count))[:, :, 1:].flatten(1, 2)
        second = plain.unflatten(1, (-1, count))[:, :, :-1].flatten(1, 2)
        if not self.structure.lifting:
            first = first.unflatten(2, (-1, count))[..., 1:].flatten(2)
            second = second.unflatten(2, (-1, count))[..., :-1].flatten(2)
        sizes = first.flatten(1).norm(dim=1) + second.flatten(1).norm(dim=1)
        return torch.linalg.matrix_norm(first - second, ord=2), sizes

    def refined(self, best: Tensor, error: Tensor, size: Tensor) -> Trial:
        """Return the worst frequency near another one as a trial."""
        band, step = self.structure.band, 0.5
        rounds = self.waves.pays_for(2 * _ROUNDS * _MOVES, fraction=0.25) // (2 * _MOVES)
        for _ in range(rounds):
            near = best + step * band * self._randn(_MOVES, self.waves.dim)
            length = near.norm(dim=1, keepdim=True).clamp(min=1e-300)
            near = near * (band / length).clamp(max=1.0)
            errors, sizes = self.errors(near)
            k = int(errors.argmax())
            if errors[k] > error:
                best, error, size = near[k], errors[k], sizes[k]
            else:
                step *= _SHRINK
        return self.trial("worst waves", rounds * _MOVES + 1, best, error, size)

    def frequencies(self, count: int) -> Tensor:
        """Return frequencies in the band, every second one at its end."""
        direction = self._randn(count, self.waves.dim)
        direction = direction / direction.norm(dim=1, keepdim=True)
        radius = self._randn(count, 1).abs().clamp(max=1.0)
        radius[::2] = 1.0
        return self.structure.band * radius * direction

    def trial(
        self, name: str, samples: int, frequency: Tensor, error: Tensor, size: Tensor
    ) -> Trial:
        """Return what was found at a frequency as a trial."""
        tolerance = self.target.tolerance(self.waves.problem.size) * float(size)
        return Trial(name, samples, float(error), tolerance, {"frequency": frequency})

    def _randn(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.target.generator, dtype=torch.float64)
