"""The two registries of attacks: on structures and on premises.

Attacks on structures or premises of one's own join in by ``attack.register`` and
``attack_premise.register``, as the ones in `darboux.certify.attacks` and
`darboux.certify.premises` do.
"""

from __future__ import annotations

from functools import singledispatch

from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.target import Target
from darboux.structure import Premise, Structure


@singledispatch
def attack(structure: Structure, target: Target) -> Finding:
    """Try to refute that ``target.module`` has a structure.

    Args:
        structure: what is promised.
        target: the module and where to look.

    Raises:
        NotAttackedError: if no attack is registered, or the one that is does not apply.

    Example:
        >>> from darboux.structure import Lipschitz
        >>> attack.dispatch(Lipschitz) is not attack.dispatch(object)
        True
    """
    del target
    msg = f"no attack is registered for {type(structure).__name__}"
    raise NotAttackedError(msg)


@singledispatch
def attack_premise(premise: Premise, target: Target) -> Finding:
    """Try to refute a premise.

    Args:
        premise: the condition, with the module that it is about.
        target: the part of the network that rests on the premise, with its inputs.

    Raises:
        NotAttackedError: if no attack is registered, or the one that is does not apply.

    Example:
        >>> from darboux.structure import AdjointOf
        >>> attack_premise.dispatch(AdjointOf) is not attack_premise.dispatch(object)
        True
    """
    del target
    msg = f"no attack is registered for the premise {type(premise).__name__}"
    raise NotAttackedError(msg)


def known_structures() -> tuple[str, ...]:
    """Return the names of the structures that can be attacked, sorted.

    Example:
        >>> "Lipschitz" in known_structures()
        True
    """
    return tuple(sorted(cls.__name__ for cls in attack.registry if cls is not object))
