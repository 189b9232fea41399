"""Operators of other libraries as linear maps, with their adjoints tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from darboux.imaging._operator import Operator
from darboux.linear import LinearMap
from darboux.structure import Kind
from darboux.structure._arguments import checked, shown

_STEPS = 30  # of Lanczos' method: it then misses 2 % of ‖A‖² at most, on average

_MARGIN = 1.05

_ROUNDING = 64 * torch.finfo(torch.float32).eps  # some compute in single precision inside


@checked
def as_physics(physics: Any, data: Tensor) -> LinearMap:
    """Return an operator as a linear map, after a test of its adjoint on random images and data.

    A `LinearMap` is returned as it is. Anything else needs ``A(x)`` and ``A_adjoint(y)``, as the
    physics of deepinv has; its norm comes from Lanczos' method, which finds it from below, with a
    margin of 5 %, so that claims that rest on it are MEASURED.

    Shapes: data is (batch, channels, *others); A_adjoint(data) is an image (batch, channels,
    *space) with 1 to 3 axes of space.

    Args:
        physics: the operator.
        data: what was measured, or anything of its shape and format.

    Raises:
        TypeError: if there is no ``A`` or no ``A_adjoint``.
        ValueError: if the shapes do not fit, if A is not linear or mixes the samples of a batch,
            or if the adjoint is wrong, with the defect.

    Example:
        >>> import torch, darboux as dx
        >>> class Flip:
        ...     def A(self, x):
        ...         return 2 * x.flip(-1)
        ...
        ...     def A_adjoint(self, y):
        ...         return 2 * y.flip(-1)
        >>> map = dx.imaging.as_physics(Flip(), torch.ones(1, 1, 4, 4))
        >>> round(float(map.norm_bound()), 4), map.norm_kind.name
        (2.1, 'MEASURED')
    """
    with torch.no_grad():
        one = data[:1] if len(data) else data.new_ones(1, *data.shape[1:])
        found = physics if isinstance(physics, LinearMap) else _Foreign(physics, one)
        _require_adjoint(type(physics).__name__, found, one)
        if len(data) > 1:
            _require_separate(type(physics).__name__, found, one)
    return found


@final
class _Foreign(Operator):
    """A map that is known by its methods A and A_adjoint alone."""

    norm_kind = Kind.MEASURED

    def __init__(self, physics: Any, data: Tensor) -> None:
        super().__init__()
        name = shown(physics) if isinstance(physics, type) else type(physics).__name__
        for method, does in (("A", "A(x)"), ("A_adjoint", "its adjoint A_adjoint(y)")):
            if isinstance(physics, type) or not callable(getattr(physics, method, None)):
                msg = (
                    f"as_physics: expected an operator with {does}; got {name}, which has none. "
                    "Use one of darboux.imaging, or an instance of a class with that method."
                )
                raise TypeError(msg)
        self.physics = physics
        image = physics.A_adjoint(data)
        if not (isinstance(image, Tensor) and len(image) == 1 and 3 <= image.ndim <= 5):
            msg = (
                f"as_physics: expected {name}.A_adjoint to make images (batch, channels, *space) "
                f"of data of shape {tuple(data.shape)}; got {shown(image)}."
            )
            raise ValueError(msg)
        self.dim, self.image_size = image.ndim - 2, tuple(image.shape[2:])
        self.in_features, self.out_features = image.shape[1], data.shape[1]
        self.format = image.new_empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        y: Tensor = self.physics.A(x)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y."""
        x: Tensor = self.physics.A_adjoint(y)
        return x

    def norm_bound(self) -> Tensor:
        """Return 1.05 times the norm that Lanczos' method finds: no bound, but for its margin."""
        shape = (1, self.in_features, *(self.image_size or ()))
        return _MARGIN * norms_from_inside(self, _random(shape, self.format, seed=0))[1]

    def _like(self) -> Tensor:
        return self.format


def norms_from_inside(map: LinearMap, start: Tensor) -> Tensor:
    """Return ‖A x‖ of unit images x where it is nearly least and nearly largest: float64, (2,)."""
    # Lanczos' method for A*A.
    with torch.no_grad():
        basis = [start / start.norm()]
        images = []
        for _ in range(min(_STEPS, start.numel())):
            images.append(map(basis[-1]))
            step = map.adjoint(images[-1])
            for _ in range(2):  # once is not enough for orthogonality
                step = step - sum(((step * v).sum() * v for v in basis), torch.zeros_like(step))
            size = step.norm()
            if not float(size) > 1e-6 * float(images[-1].norm()) ** 2:
                break
            basis.append(step / size)
        flat = torch.stack([image.flatten().double() for image in images])
        return torch.linalg.eigvalsh(flat @ flat.T)[[0, -1]].clamp(min=0).sqrt()


def _require_adjoint(name: str, map: LinearMap, data: Tensor) -> None:
    """Refuse a map that is not linear, or whose adjoint is another one."""
    x, w = (_random(map.adjoint(data).shape, data, seed=seed) for seed in (1, 2))
    image = map(x)
    if image.shape != data.shape:
        msg = (
            f"{name}: expected data of shape {tuple(image.shape[1:])} a sample, which it makes of "
            f"images of shape {tuple(x.shape[1:])}; got {tuple(data.shape[1:])}."
        )
        raise ValueError(msg)
    bent = map(x + w) - image - map(w)
    defect = float(bent.norm()) / max(float(image.norm() + map(w).norm()), 1e-300)
    if not defect <= _ROUNDING:
        msg = (
            f"{name}: expected a linear operator; got A(x + w) that differs from A x + A w by "
            f"{defect:.3g} of their size; at most {_ROUNDING:.2g} is rounding."
        )
        raise ValueError(msg)
    for y in (image, _random(data.shape, data, seed=3)):  # one shows a factor, one the rest
        left, right = (image.double() * y).sum(), (x.double() * map.adjoint(y)).sum()
        size = float(image.norm()) * float(y.norm())
        defect = abs(float(left - right)) / max(size, 1e-300)
        if not defect <= _ROUNDING:
            msg = (
                f"{name}: expected an adjoint with ⟨A x, y⟩ = ⟨x, A* y⟩; got {float(left):.6g} and "
                f"{float(right):.6g}, which differ by {defect:.3g} of ‖A x‖ ‖y‖; at most "
                f"{_ROUNDING:.2g} is rounding. Mend the adjoint: nothing converges without it."
            )
            raise ValueError(msg)


def _require_separate(name: str, map: LinearMap, data: Tensor) -> None:
    """Refuse a map that makes other things of samples of a batch than of each alone."""
    shapes = map.adjoint(data).shape, data.shape
    acts: tuple[Callable[[Tensor], Tensor], ...] = (map, map.adjoint)
    for act, does, shape in zip(acts, ("A(x)", "A* y"), shapes, strict=True):
        x, w = (_random(shape, data, seed=seed) for seed in (4, 5))
        both, alone = act(torch.cat([x, w])), torch.cat([act(x), act(w)])
        same = both.shape == alone.shape
        defect = float((both - alone).norm()) / max(float(alone.norm()), 1e-300) if same else 1.0
        if not defect <= _ROUNDING:
            msg = (
                f"{name}: expected an operator that treats the samples of a batch separately; got "
                f"{does} of two samples that differs from those of each alone by {defect:.3g} of "
                f"their size; at most {_ROUNDING:.2g} is rounding. Reconstruct them one by one."
            )
            raise ValueError(msg)


def _random(shape: torch.Size | tuple[int, ...], like: Tensor, *, seed: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").to(like)
