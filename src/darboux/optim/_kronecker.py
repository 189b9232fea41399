"""Blocks of a metric: Jᵀ(A ⊗ G)J of weights that parameters become, and equations with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor

from darboux.control._curvature import Curvature, flat, split
from darboux.optim._sites import Site
from darboux.solvers._conjugate_gradients import conjugate_gradients

Sharing = Literal["expand", "reduce"]

_PRODUCTS = 500  # at most, for one equation


class Factors(NamedTuple):
    """A = E[x̄ x̄ᵀ] and G = Σ g gᵀ of one weight, whose block is A ⊗ G."""

    inputs: Tensor  # (in, in), with the 1 beside x
    outputs: Tensor  # (out, out)


@final
@dataclass(frozen=True)
class Weight:
    """All evaluations of one weight: W and b as functions of the same parameters."""

    sites: list[Site]

    def inputs(self, sharing: Sharing) -> Tensor:
        """Return A: over all places of all evaluations, or of their mean for each sample."""
        rows = [site.rows for site in self.sites]
        if sharing == "expand":
            every = torch.cat([r.flatten(0, 1) for r in rows])
        else:
            every = torch.cat(rows, dim=1).mean(dim=1)
        every = wide(every)
        return every.T @ every / len(every)

    def outputs(self, gradients: Sequence[Tensor], sharing: Sharing) -> Tensor:
        """Return the part of G of one vector v, from the gradients of ⟨v, z⟩ in each y."""
        slopes = [s.slopes(g) for s, g in zip(self.sites, gradients, strict=True)]
        if sharing == "expand":
            every = torch.cat([g.flatten(0, 1) for g in slopes])
        else:
            every = torch.stack([g.sum(dim=1) for g in slopes]).sum(dim=0)
        every = wide(every)
        return every.T @ every

    def matrix(self) -> Tensor:
        """Return [W, b], (out, in)."""
        variables = self.sites[0].variables
        return torch.cat([x.reshape(len(x), -1) for x in variables], dim=1)


def wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def weights_of(sites: Sequence[Site]) -> list[Weight]:
    """Return the sites by weight: those of equal value and equal derivative belong together."""
    found: list[Weight] = []
    for site in sites:
        match = next((w for w in found if _same(w.sites[0], site)), None)
        if match is None:
            found.append(Weight([site]))
        else:
            match.sites.append(site)
    return found


def _same(a: Site, b: Site) -> bool:
    """Return whether W and b are the same functions of the same parameters, by a probe."""
    shapes = [[x.shape for x in site.variables] for site in (a, b)]
    if shapes[0] != shapes[1] or a.leaves().keys() != b.leaves().keys():
        return False
    if not all(map(torch.equal, a.variables, b.variables)):
        return False
    pulls = [_probed(site) for site in (a, b)]
    return all(torch.allclose(x, y) for x, y in zip(*pulls, strict=True))


def _probed(site: Site) -> tuple[Tensor, ...]:
    """Return Jᵀu for some u."""
    generator = torch.Generator().manual_seed(0)
    u = [torch.randn(x.shape, generator=generator).to(x) for x in site.variables]
    parameters = [site.leaves()[key] for key in sorted(site.leaves())]
    return torch.autograd.grad(site.variables, parameters, u, retain_graph=True)


@final
class Block:
    """Parameters with a metric Σ Jᵀ(A ⊗ G)J of their own, a term for each weight they become.

    Without matrices, which are the weights with their graphs, J is the identity: the parameters
    are one weight, and its bias if there are two.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        factors: Sequence[Factors],
        matrices: Sequence[Tensor] = (),
        stand_ins: Sequence[Tensor] = (),
    ) -> None:
        self.parameters = [*parameters]
        self._factors = [*factors]
        self._matrices = [*matrices]
        self._stand_ins = [*stand_ins]
        self._eigen: tuple[Tensor, ...] | None = None
        self._curvature: Curvature | None = None

    def product(self, v: Tensor) -> Tensor:
        """Return Σ Jᵀ(A ⊗ G)J v for a vector of all entries."""
        if not self._matrices:
            (factors,), sizes = self._factors, [p.numel() for p in self.parameters]
            rows = torch.cat([x.reshape(len(factors.outputs), -1) for x in v.split(sizes)], dim=1)
            image = factors.outputs.to(v) @ rows @ factors.inputs.to(v)
            widths = [n // len(factors.outputs) for n in sizes]
            return flat(image.split(widths, dim=1))
        if self._curvature is None:
            self._curvature = Curvature(self._stand_ins, lambda: flat(self._matrices), self._energy)
        return self._curvature.product(v)

    def solved(
        self, gradients: Sequence[Tensor | None], damping: Sequence[Tensor], *, tol: float
    ) -> list[Tensor]:
        """Return (Σ Jᵀ(A ⊗ G)J + diag)⁻¹ of gradients; the diagonal broadcasts to each of them.

        Parameters without a gradient do not move, and their rows and columns are left out.
        """
        first, known = damping[0], [g for g in gradients if g is not None]
        plainly = len(known) == len(gradients) and not self._matrices
        if plainly and all(d.ndim == 0 and bool(d == first) for d in damping):
            return self._divided(known, first)
        pairs = [*zip(self.parameters, gradients, strict=True)]
        b = wide(flat([torch.zeros_like(p) if g is None else g for p, g in pairs]))
        moving = flat([torch.full_like(p, float(g is not None)) for p, g in pairs]).to(b)
        shift = flat([d.expand(p.shape) for d, (p, _) in zip(damping, pairs, strict=True)]).to(b)
        found = conjugate_gradients(
            lambda v: moving * self.product(moving * v) + shift * v, b, tol=tol, max_iter=_PRODUCTS
        )
        return split(found.x, self.parameters)

    def _divided(self, gradients: Sequence[Tensor], damping: Tensor) -> list[Tensor]:
        """Return the solution in the bases where A and G are diagonal."""
        if self._eigen is None:
            (factors,) = self._factors
            pairs = (torch.linalg.eigh(m) for m in (factors.inputs, factors.outputs))
            self._eigen = tuple(x for pair in pairs for x in pair)
        a, q, g, p = self._eigen
        columns = [x.reshape(len(g), -1).to(g) for x in gradients]
        v = p.T @ torch.cat(columns, dim=1) @ q
        v = v / (g.clamp(min=0).unsqueeze(1) * a.clamp(min=0) + damping)
        parts = (p @ v @ q.T).split([x.shape[1] for x in columns], dim=1)
        return [part.reshape(x.shape) for part, x in zip(parts, gradients, strict=True)]

    def _energy(self, w: Tensor) -> Tensor:
        """Return half of ⟨w, (A ⊗ G) w⟩."""
        terms = [
            (m * (f.outputs.to(m) @ m @ f.inputs.to(m))).sum() / 2
            for m, f in zip(split(w, self._matrices), self._factors, strict=True)
        ]
        return torch.stack(terms).sum()


def blocks_of(weights: Sequence[Weight]) -> list[list[Weight]]:
    """Return the weights by what they share: no parameter is in two of the lists."""
    found: list[tuple[set[int], list[Weight]]] = []
    for weight in weights:
        keys = set(weight.sites[0].leaves())
        joined = [pair for pair in found if pair[0] & keys]
        found = [pair for pair in found if not pair[0] & keys]
        members = [w for _, several in joined for w in several]
        found.append((keys.union(*(k for k, _ in joined)), [*members, weight]))
    return [members for _, members in found]


def is_plain(site: Site, stand_ins: Sequence[Tensor]) -> bool:
    """Return whether W and b are the parameters themselves, entry by entry."""
    return len(site.variables) == len(stand_ins) and all(
        (x is p or x._base is p)
        and x.data_ptr() == p.data_ptr()
        and x.numel() == p.numel()
        and x.is_contiguous()
        and p.is_contiguous()
        for x, p in zip(site.variables, stand_ins, strict=True)
    )
