"""The claims of a module and the maps that it is made of."""

from __future__ import annotations

import inspect

from torch import nn

from darboux.structure._arguments import shown
from darboux.structure._claim import Claims, Gap
from darboux.structure._compose import composition
from darboux.structure._energy import Dissipative, EnergyPreserving
from darboux.structure._kept import with_kept
from darboux.structure._rules import by_class

Maps = tuple[tuple[str, nn.Module], ...]


def _unknown(module: nn.Module, reason: str) -> Claims:
    del module
    return Claims(gaps=(Gap("", reason),))


def _atomic(module: nn.Module, reason: str) -> Maps:
    del module, reason
    return ()


@by_class(_unknown, method="claims", then=with_kept)
def claims_of(module: nn.Module) -> Claims:
    """Return the claims of a module, and the gaps where nothing is known.

    A module of one's own joins in by a method ``claims()`` that returns `Claims` (or
    a list of `Claim`); a class of another library by ``claims_of.register``.

    What is known of a class is not claimed of an object that does something else: with a
    ``forward()`` that a subclass has replaced, or the object itself, or with forward hooks. A
    subclass says what holds by ``claims()`` of its own.

    Args:
        module: any module.

    Raises:
        TypeError: if it is none.

    Example:
        >>> from torch import nn
        >>> [c.structure for c in claims_of(nn.Sequential(nn.ReLU(), nn.Identity()))]
        [Averaged(alpha=0.5)]
    """
    given: object = module
    if not isinstance(given, nn.Module):
        msg = f"claims_of: expected a torch.nn.Module; got {shown(given)}. Make one of it."
        raise TypeError(msg)
    own = getattr(module, "claims", None)
    if own is None:
        return Claims(gaps=(Gap("", f"no claims are known for {type(module).__name__}"),))
    result = own()
    return result if isinstance(result, Claims) else Claims(tuple(result))


@by_class(_atomic, method="maps")
def maps_of(module: nn.Module) -> Maps:
    """Return the named maps that a module applies one after another.

    `certify` attacks each of them at its own input. The default reads a method
    ``maps()`` of the module; a module without one is atomic, and so is one that does something
    else than its class, see `claims_of`.

    Example:
        >>> from torch import nn
        >>> [name for name, _ in maps_of(nn.Sequential(nn.ReLU(), nn.Tanh()))]
        ['0', '1']
    """
    own = getattr(module, "maps", None)
    if own is None and all(
        inspect.isroutine(getattr(module, n, None)) for n in ("claims", "chain")
    ):
        msg = (
            f"{type(module).__name__}: expected a method maps(); got one named chain(), which "
            "nothing reads any more: chain() is called maps() since 0.2. Rename it."
        )
        raise TypeError(msg)
    return _named_by(module, "maps")


@by_class(_atomic, method="branches")
def branches_of(module: nn.Module) -> Maps:
    """Return the named maps that a module applies side by side, each to its own input.

    `certify` attacks each of them there. The default reads a method ``branches()`` of the module.

    Example:
        >>> import darboux as dx
        >>> from torch import nn
        >>> branches_of(dx.Residual(nn.Tanh()))
        (('inner', Tanh()),)
    """
    return _named_by(module, "branches")


def _named_by(module: nn.Module, method: str) -> Maps:
    """Return the (name, module) pairs that a method without arguments returns."""
    own = getattr(module, method, None)
    if not inspect.isroutine(own) or inspect.signature(own).parameters:
        return ()  # something else by that name
    named = tuple(own())
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in named):
        msg = (
            f"{type(module).__name__}.{method}(): expected (name, module) pairs, in the order in "
            f"which they are applied; got {named!r}. Return, for instance, "
            "[('first', self.first)]."
        )
        raise TypeError(msg)
    return named


@maps_of.register
def _(module: nn.Sequential) -> Maps:
    return tuple(module._modules.items())  # named_children() leaves out what comes again


@claims_of.register
def _(module: nn.Sequential) -> Claims:
    whole = composition([(name, claims_of(child)) for name, child in module._modules.items()])
    # A Sequential has no energy of its own, even around a single map that has one.
    energies = (Dissipative, EnergyPreserving)
    kept = tuple(claim for claim in whole if not isinstance(claim.structure, energies))
    return Claims(kept, whole.gaps)
