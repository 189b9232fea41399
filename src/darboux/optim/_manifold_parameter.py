"""Parameters that know their manifold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from darboux.manifolds import SPD, Euclidean, Manifold, Sphere, Stiefel
from darboux.structure._arguments import checked

# In place functions that do not compute a new value from the old one.
_HARMLESS = {"copy_", "set_", "detach_", "requires_grad_", "share_memory_", "_foreach_copy_"}


@final
class ManifoldParameter(nn.Parameter):
    """A parameter that lies on a manifold, and refuses to be moved as if it lay in R^n.

    Optimisers of this room step it along its manifold. Those of torch would leave it without a
    word; they raise an error with it, because all of them add to a parameter in place. Its value
    changes by `copy_` alone, hence by `load_state_dict`. Else it is a parameter like others.

    Shapes: (*batch, *shape), points of a manifold of that shape.

    Args:
        data: points of the manifold.
        manifold: where they lie.
        requires_grad: whether a gradient is computed.

    Raises:
        TypeError: if an argument is of another type, or an in-place function changes the value.
        ValueError: if data are no points of the manifold.

    Source: section 6.2.1.

    Example:
        >>> import torch, darboux as dx
        >>> circle = dx.manifolds.Sphere(2)
        >>> w = dx.optim.ManifoldParameter(torch.tensor([1.0, 0.0]), circle)
        >>> w[1].backward()
        >>> dx.optim.RiemannianSGD([w], lr=0.1, maximize=True).step()
        >>> circle.check(w.detach())[0]
        True
        >>> try:
        ...     torch.optim.SGD([w], lr=0.1).step()
        ... except TypeError as error:
        ...     print(error)
        Expected Sphere(n=2) not to be left; got add_ of torch on one of its points. Use an
        optimiser of darboux.optim, or p.copy_(...).
    """

    manifold: Manifold

    @checked
    def __new__(cls, data: Tensor, manifold: Manifold, *, requires_grad: bool = True) -> Self:
        fits, reason = (True, "") if data.is_meta else manifold.check(data.detach())
        if not fits:
            msg = f"ManifoldParameter: {reason}. Take manifold.nearest(data)."
            raise ValueError(msg)
        made: Self = torch.Tensor._make_subclass(cls, data.detach(), requires_grad)
        made.manifold = manifold
        return made

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if not torch.compiler.is_compiling():
            name = getattr(function, "__name__", "")
            if name.endswith("_") and not name.endswith("__") and name not in _HARMLESS:
                cls._refuse(name, args)
        with torch._C.DisableTorchFunctionSubclass():
            return function(*args, **(kwargs or {}))

    @staticmethod
    def _refuse(name: str, args: tuple[Any, ...]) -> None:
        """Raise an error if the target of a function in place is a point."""
        targets = args[0] if isinstance(args[0], list | tuple) else args[:1]
        for target in targets:
            if isinstance(target, ManifoldParameter):
                msg = (
                    f"Expected {target.manifold} not to be left; got {name} of torch on "
                    "one of its points. Use an optimiser of darboux.optim, or p.copy_(...)."
                )
                raise TypeError(msg)

    def __deepcopy__(self, memo: dict[int, Any]) -> ManifoldParameter:
        if id(self) not in memo:
            memo[id(self)] = _rebuilt(self.data.clone(), self.manifold, self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        del protocol
        return _rebuilt, (self.data, self.manifold, self.requires_grad)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"ManifoldParameter on {self.manifold}:\n{self.data!r}"


def _rebuilt(data: Tensor, manifold: Manifold, requires_grad: bool) -> ManifoldParameter:  # noqa: FBT001
    made: ManifoldParameter = torch.Tensor._make_subclass(ManifoldParameter, data, requires_grad)
    made.manifold = manifold
    return made


def claimed_manifold(parameter: Tensor) -> Manifold | None:
    """Return the manifold that a parameter names: one of ours, or of geoopt's by its class name.

    Raises:
        TypeError: if it is none that is known here.
    """
    named = getattr(parameter, "manifold", None)
    if named is None or isinstance(named, Manifold):
        return named
    build = _GEOOPT.get(type(named).__name__)
    if build is None:
        msg = (
            f"Expected a parameter's manifold to be one of darboux.manifolds, or of geoopt: "
            f"{', '.join(_GEOOPT)}; got {type(named).__name__}. Name one in the group: "
            '{"params": ..., "manifold": ...}.'
        )
        raise TypeError(msg)
    return build(named, parameter.shape)


def _spd(named: Any, shape: torch.Size) -> Manifold:
    metrics: dict[str, Any] = {"AIM": "affine", "LEM": "log-euclidean"}
    metric = getattr(getattr(named, "default_metric", None), "name", "AIM")
    if metric not in metrics:
        msg = (
            f"Expected the metric of geoopt's SymmetricPositiveDefinite to be AIM or LEM; got "
            f"{metric}. Name another manifold in the group."
        )
        raise TypeError(msg)
    return SPD(shape[-1], metric=metrics[metric])


def _sphere(named: Any, shape: torch.Size) -> Manifold:
    if getattr(named, "projector", None) is not None:
        msg = (
            "Expected geoopt's Sphere without a subspace; got one of a subspace. Use coordinates "
            "of the subspace, in which it is a Sphere of lower dimension."
        )
        raise TypeError(msg)
    return Sphere(shape[-1])


# geoopt's classes say no sizes: they are those of the parameter.
_GEOOPT: dict[str, Callable[[Any, torch.Size], Manifold]] = {
    "Euclidean": lambda named, shape: Euclidean(shape[-1] if shape else 1),
    "Sphere": _sphere,
    "SphereExact": _sphere,
    "Stiefel": lambda named, shape: Stiefel(shape[-2], shape[-1], metric="canonical"),
    "CanonicalStiefel": lambda named, shape: Stiefel(shape[-2], shape[-1], metric="canonical"),
    "EuclideanStiefel": lambda named, shape: Stiefel(shape[-2], shape[-1]),
    "EuclideanStiefelExact": lambda named, shape: Stiefel(shape[-2], shape[-1]),
    "SymmetricPositiveDefinite": _spd,
}
