"""The attack on near equivariance: plane waves, rotated by what they are, not by resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from darboux.certification._attacks.waves import Waves
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._target import Target
from darboux.structure import Symmetry
from darboux.structure._near_equivariance import NearlyEquivariant
from darboux.symmetry._feature import Feature, scalars
from darboux.symmetry._groups.group import Group
from darboux.symmetry._groups.planar import turn

_ELEMENTS = 64

_RANDOM = 128

_KEPT = 4  # samples from which the search goes on

_MOVES = 2  # of each of them, every round

_ROUNDS = 40

_SHRINK = 0.75


@attack.register
def _(structure: NearlyEquivariant, target: Target) -> Finding:
    """Compare φ(π(g) f) with π'(g) φ(f) at the centre, f a plane wave v e^{iξ·p}."""
    # π(g) f = ρ(g) v e^{iMξ·p} is known without interpolation. First random ξ, g and v, then for
    # the worst ones the v that is worst of all, and ξ and g moved at random as long as that helps.
    search = _Search(structure, target)
    random, samples = search.random()
    found, more = search.refined(samples)
    return Finding(
        structure.error,
        (random, found, search.loudest(structure)),
        f"{more} samples were moved; functions of the plane, so only the centre counts",
    )


@final
@dataclass(frozen=True, eq=False)
class _Sample:
    """A frequency, an element, and σ, the worst error for them, with its vector v."""

    frequency: Tensor
    element: Any
    error: float
    size: float
    vector: Tensor


@final
class _Search:
    """The search for frequencies, elements and vectors."""

    def __init__(self, structure: NearlyEquivariant, target: Target) -> None:
        self.waves = Waves(target)
        self.target = target
        self.band = structure.band
        self.group = _group(structure.group, self.waves.dim)
        self.source = self._feature(structure.source, self.waves.channels)
        self.image = self._feature(structure.target, self.waves.out)
        self.elements = self.group.sample(_ELEMENTS, seed=0)

    def random(self) -> tuple[Trial, list[_Sample]]:
        """Return random waves as a trial, and what is worst for their frequencies."""
        wanted = 2 * min(self.target.effort.points, _RANDOM)
        count = self.waves.pays_for(wanted, fraction=0.1) // 2
        picked = torch.randint(len(self.elements), (count,), generator=self._generator())
        elements = [self.elements[k] for k in picked.tolist()]
        samples = self._samples(self._frequencies(count), elements)
        vectors = torch.complex(*self._randn(2, count, self.waves.channels).unbind())
        measured = self._measure(samples, vectors)
        k = int(measured.argmax())
        return self._trial("random waves", count, samples[k], float(measured[k])), samples

    def refined(self, samples: list[_Sample]) -> tuple[Trial, int]:
        """Return the worst of all as a trial, after moving the worst ones, and how many moves."""
        best = sorted(samples, key=lambda sample: -sample.error)[:_KEPT]
        each = 2 * len(best) * _MOVES
        rounds = self.waves.pays_for(_ROUNDS * each, fraction=0.25) // each
        step = 0.5
        for _ in range(rounds):
            moved = self._moved(best, step)
            better = [
                max((sample, *moved[k :: len(best)]), key=lambda s: s.error)
                for k, sample in enumerate(best)
            ]
            step *= _SHRINK if better == best else 1.0
            best = better
        top = max(best, key=lambda sample: sample.error)
        measured = float(self._measure([top], top.vector[None]))
        total = rounds * each // 2
        return self._trial("worst waves", len(samples) + total, top, measured), total

    def loudest(self, structure: NearlyEquivariant) -> Trial:
        """Return the wave that gains most; what it gains beyond c counts from ε upwards."""
        rounds = self.waves.pays_for(_ROUNDS * _KEPT, fraction=0.1) // _KEPT
        best, loudest, step = torch.zeros(1, self.waves.dim, dtype=torch.float64), 0.0, 1.0
        for _ in range(rounds):
            near = torch.cat([best, best + step * self._frequencies(_KEPT)])
            near = near * (self.band / near.norm(dim=1, keepdim=True).clamp(min=1e-300)).clamp(
                max=1
            )
            gains = torch.linalg.matrix_norm(self.waves.symbols(near), ord=2)
            k = int(gains.argmax())
            best, loudest = near[k : k + 1], float(gains[k])
            step *= 1.0 if k else _SHRINK
        tolerance = self.target.tolerance(self.waves.problem.size) * loudest
        evidence = {"frequency": best[0]}
        measured = structure.error + loudest - structure.gain
        return Trial("loudest waves", rounds * _KEPT, measured, tolerance, evidence)

    def _samples(self, frequencies: Tensor, elements: Sequence[Any]) -> list[_Sample]:
        """Return the largest singular values of Â(Mξ) ρ(g) - ρ'(g) Â(ξ)."""
        moving, source, image = self._matrices(elements)
        moved = (moving @ frequencies[..., None])[..., 0]
        there, here = self.waves.symbols(torch.cat([moved, frequencies])).chunk(2)
        first, second = there @ source, image @ here
        _, sigma, right = torch.linalg.svd(first - second, full_matrices=False)
        size = first.flatten(1).norm(dim=1) + second.flatten(1).norm(dim=1)
        vectors = right[:, 0].conj()
        found = zip(
            frequencies, elements, sigma[:, 0].tolist(), size.tolist(), vectors, strict=True
        )
        return [_Sample(*each) for each in found]

    def _matrices(self, elements: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Return how elements move points and mix the channels of f and of φ(f)."""
        mixing = [
            torch.stack([feature.matrix(g) for g in elements]).to(torch.complex128)
            for feature in (self.source, self.image)
        ]
        return torch.stack([self._moving(g) for g in elements]), mixing[0], mixing[1]

    def _measure(self, samples: Sequence[_Sample], vectors: Tensor) -> Tensor:
        """Return ‖φ(π(g) f) - π'(g) φ(f)‖ at the centre, over ‖v‖."""
        moving, source, image = self._matrices([sample.element for sample in samples])
        frequencies = torch.stack([sample.frequency for sample in samples])
        moved = (moving @ frequencies[..., None])[..., 0]
        turned = (source @ vectors[..., None])[..., 0]
        there = self.waves.respond(moved, turned)
        here = self.waves.respond(frequencies, vectors)
        difference = there - (image @ here[..., None])[..., 0]
        return difference.norm(dim=1) / vectors.norm(dim=1)

    def _moved(self, samples: Sequence[_Sample], step: float) -> list[_Sample]:
        """Return samples with frequency and element moved by about a step, several of each."""
        many = [*samples] * _MOVES
        near = torch.stack([sample.frequency for sample in many])
        near = near + step * self.band * self._randn(*near.shape)
        near = near * (self.band / near.norm(dim=1, keepdim=True).clamp(min=1e-300)).clamp(max=1.0)
        return self._samples(near, [self._near(sample.element, step) for sample in many])

    def _near(self, element: Any, step: float) -> Any:
        """Return an element close to another one; of a finite group, often the same."""
        if self.group.order is not None or not self.group.dim:
            if float(torch.rand((), generator=self._generator())) > step:
                return element
            k = torch.randint(len(self.elements), (), generator=self._generator())
            return self.elements[int(k)]
        matrix = torch.eye(self.group.dim, dtype=torch.float64)
        matrix[:2, :2] = turn(step * float(self._randn(1)))
        q = torch.linalg.qr(self._randn(self.group.dim, self.group.dim))[0]
        small = q @ matrix @ q.T if self.group.dim > 2 else matrix
        return self.group.compose(self.group.locate(small), element)

    def _frequencies(self, count: int) -> Tensor:
        """Return frequencies in the band, every second one at its end, where errors are large."""
        direction = self._randn(count, self.waves.dim)
        direction = direction / direction.norm(dim=1, keepdim=True)
        radius = torch.rand(count, 1, generator=self._generator(), dtype=torch.float64)
        radius[::2] = 1.0
        return self.band * radius * direction

    def _trial(self, name: str, samples: int, sample: _Sample, measured: float) -> Trial:
        tolerance = self.target.tolerance(self.waves.problem.size) * sample.size
        evidence = {"frequency": sample.frequency, "vector": sample.vector}
        return Trial(name, samples, measured, tolerance, evidence)

    def _moving(self, element: Any) -> Tensor:
        if not self.group.dim:
            return torch.eye(self.waves.dim, dtype=torch.float64)
        return self.group.action(element)

    def _feature(self, law: object, channels: int) -> Feature:
        feature = scalars(self.group, channels) if law is None else law
        if not isinstance(feature, Feature) or feature.channels != channels:
            msg = f"the features promised are no representation on {channels} channels"
            raise NotAttackedError(msg)
        return feature

    def _generator(self) -> torch.Generator:
        return self.target.generator

    def _randn(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator(), dtype=torch.float64)


def _group(group: Symmetry, dim: int) -> Group:
    if not isinstance(group, Group) or group.dim not in (0, dim):
        msg = f"{group.describe()} does not act on a space of {dim} dimensions"
        raise NotAttackedError(msg)
    return group
