"""Sorting within groups of channels."""

from __future__ import annotations

from typing import Annotated, NoReturn, final

import torch
from torch import Tensor

from darboux.activations._activation import Activation
from darboux.structure import Claim, Claims, Kind, Lipschitz
from darboux.structure._arguments import Within, checked

_Several = Annotated[int, Within("an integer of 2 or more, 2 for MaxMin", least=2, most=2**31 - 1)]


@final
class GroupSort(Activation):
    """Sorts each group of consecutive channels in ascending order; MaxMin for groups of two.

    (x_1, ..., x_g) -> (x_(1), ..., x_(g)), x_(1) <= ... <= x_(g). On each piece where the
    order of the entries does not change it is a permutation, so it keeps norms and is
    1-Lipschitz. It is not elementwise: no γ exists with γ' = σ, entry by entry.

    Shape: (batch, channels, *space) -> the same; channels a multiple of `group`.

    Source: Anil, Lucas and Grosse 2019, Sorting out Lipschitz function approximation.

    Args:
        group: g >= 2, the size of a group.

    Raises:
        ValueError: if g < 2, or g does not divide the number of channels.

    Example:
        >>> import torch
        >>> GroupSort()(torch.tensor([[3.0, 1.0, 2.0, 5.0]]))
        tensor([[1., 3., 2., 5.]])
    """

    separable = False

    @checked
    def __init__(self, *, group: _Several = 2) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """Return x with each group of channels sorted."""
        if x.dim() < 2 or x.shape[1] % self.group:
            msg = (
                f"Expected (batch, channels, *space) with channels a multiple of {self.group}; "
                f"got shape {tuple(x.shape)}. Pad the channels or change group."
            )
            raise ValueError(msg)
        grouped = x.unflatten(1, (-1, self.group))
        if self.group == 2:  # three times faster than a sort along a short axis
            first, second = grouped.unbind(2)
            sorted_already = (first <= second).unsqueeze(2)
            return torch.where(sorted_already, grouped, grouped.flip(2)).flatten(1, 2)
        return grouped.sort(dim=2).values.flatten(1, 2)

    def slopes(self) -> tuple[float, float]:
        """Return (-1, 1): -‖Δx‖² <= ⟨Δσ, Δx⟩ <= ‖Δx‖², and ‖Δσ‖ <= ‖Δx‖; both are sharp.

        A permutation P has ‖P‖ = 1, so theorems that use σ' = mid + rad E, ‖E‖ <= 1, with
        the middle and the radius of the range, hold for mid = 0 and rad = 1.
        """
        return (-1.0, 1.0)

    def antiderivative(self, x: Tensor) -> NoReturn:
        """Refuse: sorting is no function of one real variable.

        Raises:
            TypeError: always.
        """
        del x
        msg = (
            "Expected an activation that acts on each entry alone; got GroupSort, which mixes "
            "the entries of a group, so no γ with γ' = σ exists. Use ReLU or Clip instead."
        )
        raise TypeError(msg)

    def claims(self) -> Claims:
        """Return `Lipschitz` with constant 1."""
        reason = "GroupSort is continuous, and a permutation on each piece"
        return Claims((Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),))

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        return f"group={self.group}"
