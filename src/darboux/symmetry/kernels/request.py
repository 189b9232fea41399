"""What kernels can be asked for."""

from __future__ import annotations

from darboux.symmetry.representations.representation import Representation

_LARGEST_DIM = 3


def check_request(
    name: str, source: Representation, target: Representation, *, kernel: int, dim: int
) -> None:
    """Refuse a request for kernels that cannot be.

    Args:
        name: who asks, for the message.
        source: the representation that kernels map from.
        target: the representation that kernels map to.
        kernel: taps per axis.
        dim: spatial axes.

    Raises:
        TypeError: if source or target is no representation, or the groups differ.
        ValueError: if kernel < 1, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> check_request("it", regular(Cyclic(4)), regular(Cyclic(4)), kernel=3, dim=2)
    """
    both: tuple[object, ...] = (source, target)
    for given in both:
        if not isinstance(given, Representation):
            msg = f"{name}: expected representations, for instance regular(group); got {given!r}."
            raise TypeError(msg)
    if source.group != target.group:
        msg = (
            f"{name}: expected representations of one group; got {source.group.describe()} and "
            f"{target.group.describe()}. Restrict one of them to the other group first."
        )
        raise TypeError(msg)
    if not _whole(kernel) or kernel < 1:
        msg = f"{name}: expected kernel >= 1 taps per axis; got {kernel!r}. Use, for instance, 3."
        raise ValueError(msg)
    _check_dim(name, source, kernel=kernel, dim=dim)


def _check_dim(name: str, source: Representation, *, kernel: int, dim: int) -> None:
    if not _whole(dim) or not 0 <= dim <= _LARGEST_DIM:
        msg = f"{name}: expected dim among 0, 1, 2, 3 spatial axes; got {dim!r}."
        raise ValueError(msg)
    if not dim and kernel != 1:
        msg = f"{name}: expected kernel 1 where there are no spatial axes; got {kernel}."
        raise ValueError(msg)
    group = source.group
    if dim and group.dim not in (0, dim):
        msg = (
            f"{name}: expected dim={group.dim}, the axes that {group.describe()} acts on; got "
            f"dim={dim}. Use dim={group.dim}, or a group of {dim}-dimensional space."
        )
        raise ValueError(msg)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
