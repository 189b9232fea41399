"""Which claims a module makes, and which parts it is made of."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from darboux.structure.claim import Claims, Gap


@singledispatch
def claims_of(module: nn.Module) -> Claims:
    """Return the claims of a module, and the gaps where nothing is known.

    A module of one's own joins in by a method ``claims()`` that returns `Claims` (or
    a list of `Claim`); a class of another library by ``claims_of.register``.

    Args:
        module: any module.

    Example:
        >>> from torch import nn
        >>> [c.structure for c in claims_of(nn.Sequential(nn.ReLU(), nn.Identity()))]
        [Averaged(alpha=0.5)]
    """
    own = getattr(module, "claims", None)
    if own is None:
        return Claims(gaps=(Gap("", f"no claims are known for {type(module).__name__}"),))
    result = own()
    return result if isinstance(result, Claims) else Claims(tuple(result))


@singledispatch
def parts_of(module: nn.Module) -> tuple[tuple[str, nn.Module], ...]:
    """Return the named maps that a module applies one after another.

    `certify` attacks each of them at its own input. The default reads a method
    ``chain()`` of the module; a module without one is atomic.

    Example:
        >>> from torch import nn
        >>> [name for name, _ in parts_of(nn.Sequential(nn.ReLU(), nn.Tanh()))]
        ['0', '1']
    """
    own = getattr(module, "chain", None)
    return () if own is None else tuple(own())


@parts_of.register
def _(module: nn.Sequential) -> tuple[tuple[str, nn.Module], ...]:
    return tuple(module.named_children())
