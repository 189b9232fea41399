"""The abstract linear map: forward, adjoint, and bounds of its norm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from darboux.linear._constraints import constrained_claim
from darboux.linear._symmetries import tied
from darboux.structure import (
    Claim,
    Claims,
    Equivariant,
    Gap,
    Kind,
    Lipschitz,
    Premise,
    adjoint_of,
    norm_at_most,
)
from darboux.structure._module import Module

REMEMBERED = "_remembered_"
"""What names of attributes begin with that copies and files do without."""

_IMAGE = {0: (), 1: (48,), 2: (14, 15), 3: (7, 8, 8)}  # sizes that norm_estimate looks at


class LinearMap(Module, ABC):
    """A linear map A from features to features, with its exact adjoint and true bounds.

    Maps act on (batch, in_features, *space) with `dim` spatial axes; ``dim = 0`` is a
    dense map on (batch, in_features).

    Source: sections 2.1.1 and 4.1.2.
    """

    in_features: int
    out_features: int
    dim: int
    weight_is_kernel = False  # so that what constrains the weight constrains the map
    image_size: tuple[int, ...] | None = None  # of the only images that the map takes
    norm_kind = Kind.BOUND  # MEASURED where `norm_bound` is an estimate with a margin

    @classmethod
    def from_argument(cls, value: object) -> NoReturn:
        """Refuse what is no linear map, naming the one that does what a layer of torch does."""
        raise TypeError(_instead_of(value))

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: all but what is found out again."""
        return {k: v for k, v in vars(self).items() if not k.startswith(REMEMBERED)}

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return A x: (batch, in_features, *space) -> (batch, out_features, *space)."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y, exactly: ⟨A x, y⟩ = ⟨x, A* y⟩."""

    @abstractmethod
    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂ for every image size: float64, (), differentiable."""

    @abstractmethod
    def row_bound(self) -> Tensor:
        """Return T, (out_features,), float64, with A A* <= diag(T), differentiable.

        No iteration and no state; entries are positive.
        """

    def entry_bound(self) -> Tensor:
        """Return another T with A A* <= diag(T), coarser and cheaper where that is known.

        For maps with a kernel it is |A| |A|ᵀ 1, with the absolute values of all entries; its
        cost is proportional to the number of weights. Others return `row_bound`.
        """
        return self.row_bound()

    @abstractmethod
    def symbol(self, n: int) -> Tensor:
        """Return A on the n^dim frequency grid: complex128, (n^dim, out, in).

        A dense map is one point.

        Raises:
            TypeError: if the map has no symbol (a product of zero-padded maps).
        """

    def norm_estimate(
        self, *, iterations: int = 50, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return a lower bound of the norm: power iteration with forward and adjoint.

        An estimate, never a bound: it approaches the norm on one small image from below,
        up to the rounding of the map's own dtype. It sees what the map does, not what its
        other methods say about it.

        Args:
            iterations: power steps, each one forward and one adjoint.
            generator: source of the random start.
        """
        like = self._like()
        shape = (4, self.in_features, *(self.image_size or _IMAGE[self.dim]))
        start = torch.randn(shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            x = _normalised(start.to(like))
            for _ in range(iterations):
                x = _normalised(self.adjoint(self(x)))
            return self(x).double().flatten(1).norm(dim=1).max()

    def lower_bound(self) -> Tensor:
        """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ for all x: float64, (). Zero where nothing is known."""
        return torch.zeros((), dtype=torch.float64, device=self._like().device)

    def bias(self) -> nn.Parameter:
        """Return a new zero parameter that may be added to A x without breaking what A promises.

        `shift` says what it adds. For most maps that is the parameter itself, of shape
        (out_features, 1, ..., 1) with `dim` ones; an equivariant map takes one number for each
        invariant vector of its target.
        """
        allowed = self.shifts()
        if allowed is not None:
            return nn.Parameter(self._like().new_zeros(allowed.shape[1]))
        return nn.Parameter(self._like().new_zeros(self.out_features, *(1,) * self.dim))

    def shift(self, bias: Tensor) -> Tensor:
        """Return what a bias adds to A x, (out_features, 1, ..., 1) with `dim` ones."""
        allowed = self.shifts()
        if allowed is None:
            return bias
        return (allowed.to(bias) @ bias).reshape(-1, *(1,) * self.dim)

    def shifts(self) -> Tensor | None:
        """Return how A x may be shifted, directions (out_features, count), or None for any."""
        found = self.equivariant()
        return None if found is None or found.target is None else found.target.invariants()

    def equivariant(self) -> Equivariant | None:
        """Return with what the map commutes, from which features to which, or None."""
        return None

    def tie(self, rows: Tensor) -> Tensor:
        """Return a row bound >= rows, (out_features,), that commutes with what A commutes with."""
        return tied(rows, self.equivariant())

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return A x + b; maps that can fuse the two do."""
        y = self(x)
        return y if bias is None else y + self.shift(bias)

    def prepare(self, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return x -> A x + b, for many x with the same parameters."""
        return lambda x: self.affine(x, bias)

    def prepare_adjoint(self, scale: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Return y -> A* diag(s) y, for many y with the same parameters; None is s = 1."""
        return self.adjoint if scale is None else lambda y: self.scaled_adjoint(y, scale)

    def scaled_adjoint(self, y: Tensor, scale: Tensor) -> Tensor:
        """Return A* diag(s) y with s of shape (out_features,); maps that can fuse the two do."""
        return self.adjoint(y * scale.to(y.dtype).reshape(-1, *(1,) * self.dim))

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return A* y on an image of a given size; maps that change sizes crop to it."""
        del size  # kept by most maps
        return self.adjoint(y)

    def claims(self) -> Claims:
        """Return that the map is Lipschitz with its norm bound, or what its constraint says."""
        premises = (norm_at_most(self), adjoint_of(self))
        try:
            bound = float(self.norm_bound().detach())
        except ValueError as error:
            return Claims(gaps=(Gap("", f"no norm bound: {error}"),))
        reason = f"‖A x - A y‖ <= ‖A‖₂ ‖x - y‖ and ‖A‖₂ <= norm_bound() = {bound:.6g}"
        known = Claim(Lipschitz(bound), self.norm_kind, reason, premises)
        constraint = self.constrained(self, premises)
        return Claims((known if constraint is None else constraint, *self.symmetries()))

    def constrained(self, layer: LinearMap, premises: tuple[Premise, ...]) -> Claim | None:
        """Return what the constraint on the weight says of a layer, this map or its adjoint."""
        return constrained_claim(self, layer, premises) if self.weight_is_kernel else None

    def symmetries(self) -> tuple[Claim, ...]:
        """Return the claim that the map is equivariant, if it is."""
        found = self.equivariant()
        if found is None:
            return ()
        reason = "the kernel solves k(g t) ρ₁(g) = ρ₂(g) k(t) for all parameters (section 5.1.2)"
        return (Claim(found, Kind.CONSTRUCTION, reason),)

    def _like(self) -> Tensor:
        """Return a tensor with the dtype and device of the map."""
        return next(chain(self.parameters(), self.buffers()), torch.empty(0)).detach()


def _normalised(x: Tensor) -> Tensor:
    size = x.flatten(1).norm(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
    return x / size.reshape(-1, *(1,) * (x.ndim - 1))


def _instead_of(layer: object) -> str:
    """Return what to write for a layer of torch, with its sizes."""
    if isinstance(layer, nn.Linear):
        return f"Write darboux.linear.Dense({layer.in_features}, {layer.out_features})."
    if not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return "Use one of darboux.linear, for instance Dense or Conv."
    taps, dim = layer.kernel_size, len(layer.kernel_size)
    sizes = f"{layer.in_channels}, {layer.out_channels}"
    size = taps[0] if len(set(taps)) == 1 else taps
    padding = "circular" if layer.padding_mode == "circular" else "zeros"
    call = f"Conv({sizes}, kernel_size={size}, dim={dim}, padding_mode={padding!r})"
    return f"Write darboux.linear.{call}, which keeps the size of an image."
