"""The continuous flow: the bijection that an ODE makes, with its log-determinant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.bijections import Bijection
from darboux.bijections._bijection import in_wide
from darboux.density._augmented import Augmented, prepared, rademacher
from darboux.density._field_checks import (
    check_field,
    check_input,
    check_integrator,
    check_rows,
    check_steps,
    shape_of,
)
from darboux.density._transported import DiscretisationError, Grid, Transported
from darboux.integrators import ImplicitRungeKutta, Integrator, Kutta4
from darboux.integrators._adaptive import Adaptive
from darboux.structure import Claim, Claims, Gap, Invertible, Kind
from darboux.structure._arguments import Count, Positive, checked

Trace = Literal["auto", "exact", "hutchinson"]

_EXACT_UP_TO = 16  # entries of a sample; each one costs a derivative

_PROBED = 2  # samples in which every call looks whether the field mixes them

_BACK = (
    "the ODE is integrated back from T to 0, which undoes the way there up to the error of the "
    "integrator: discretisation_error(x) measures it"
)

_UNDONE = (
    "the method is symmetric: a step back undoes a step, where the equations of both have one "
    "solution, which nobody proved"
)


@final
class ContinuousFlow(Bijection):
    """φ(x) = z(T) with ż = f(t, z), z(0) = x, and log|det Dφ(x)| = ∫ tr ∂f/∂z dt over [0, T].

    Both are integrated together, so that the gradients are those of the discretised problem
    (discretise, then optimise), through whatever method steps it. The inverse integrates back.

    What is returned approximates the flow of the ODE: the integrated trace is not exactly the
    log-determinant of the discretised map, and integrating back not exactly its inverse. Both
    errors fall with the steps, as the order of the method says; `discretisation_error` measures
    them, and so must anyone who compares likelihoods. Hence no log-determinant is claimed, and an
    inverse up to rounding of symmetric methods alone, such as `ImplicitMidpoint`. A
    `darboux.bijections.Chain` takes the layer all the same; in constant memory it sees how far the
    inverse misses, and keeps checkpoints.

    The trace is exact for samples of up to 16 entries. Beyond that ``trace="auto"`` estimates it
    with one probe of random signs v for each sample, fixed along the way: E vᵀ (∂f/∂z) v =
    tr ∂f/∂z, from PyTorch's global random numbers, anew in every call, in `train` and `eval`
    alike. Such log-densities are unbiased but noisy; use ``trace="exact"`` to report one.

    Autocast is switched off inside: rounding of the slopes would add up over the steps.

    Shapes: x and z are (batch, *shape); log-determinants are (batch,).

    Source: section 4.2.3; Chen et al. 2018; Grathwohl et al. 2019, FFJORD.

    Args:
        field: a `VectorField`, or a module f(t, z) whose result has the shape of z, or f(t, z, c)
            if it has ``context_features``; `TimeConditionedField` makes one of a network.
        shape: the shape of one x, or the number of its features.
        integrator: a method that steps any field; `Kutta4` if None.
        steps: how many steps of equal size; if None 8, or 1 for `DormandPrince` and
            `AdaptiveRadau`, which take as many as they need in each.
        horizon: T.
        trace: "exact", "hutchinson", or "auto" for what suits the size of a sample.

    Raises:
        TypeError: if the field is no module, mixes samples or is random by a layer that says so,
            or the method wants more of a field than its values.
        ValueError: if a number lies outside its range; in a call, if the field is seen to mix
            samples, or to be random, in two of them.

    Example:
        >>> network = torch.nn.Sequential(
        ...     torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        ... )
        >>> from darboux.density import TimeConditionedField
        >>> flow = ContinuousFlow(TimeConditionedField(network), shape=2, steps=16)
        >>> x = torch.randn(5, 2)
        >>> torch.testing.assert_close(flow.inverse(flow(x)), x, atol=1e-4, rtol=0)
        >>> bool((flow.discretisation_error(x).log_det < 1e-4).all())
        True
    """

    shape: torch.Size

    @checked
    def __init__(
        self,
        field: nn.Module,
        *,
        shape: Count | Sequence[Count],
        integrator: Integrator | None = None,
        steps: Count | None = None,
        horizon: Positive = 1.0,
        trace: Trace = "auto",
    ) -> None:
        super().__init__()
        check_field(field)
        self.field = field
        self.shape = shape_of(shape)
        self.integrator = check_integrator(Kutta4() if integrator is None else integrator)
        self.steps = check_steps(steps, self.integrator)
        self.horizon = horizon
        self.trace = _trace(trace, self.shape.numel())
        self.context_features = getattr(field, "context_features", None)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(T), without the cost of the trace."""
        return self._moved(x, context, extras=0)[0]

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return z(0) of z(T) = y, without the cost of the trace."""
        return self._moved(y, context, extras=0, back=True)[0]

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(T) and the integral of the trace, (batch,)."""
        z, (log_det,) = self._moved(x, context, extras=1, noise=self._noise(x))
        return z, log_det

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return z(0) of z(T) = y and minus the integral of the trace, (batch,)."""
        x, (log_det,) = self._moved(y, context, extras=1, noise=self._noise(y), back=True)
        return x, log_det

    def transport(
        self, x: Tensor, context: Tensor | None = None, *, noise: Tensor | None = None
    ) -> Transported:
        """Return z(T), the log-determinants, the kinetic energies and the norms of Jacobians.

        Args:
            x: (batch, *shape).
            context: what the field is conditioned on.
            noise: the probe of an estimated trace, of the shape of x; random signs if None.
        """
        probe = self._noise(x) if noise is None else noise
        z, found = self._moved(x, context, extras=3, noise=probe)
        return Transported(z, *found)

    def discretisation_error(self, x: Tensor, context: Tensor | None = None) -> DiscretisationError:
        """Return how much twice as many steps change φ(x) and its log-determinant.

        Adaptive methods get tolerances 100 times as tight instead. An estimated trace has the
        same probe in both.
        """
        with torch.no_grad():
            noise = self._noise(x)
            z, (one,) = self._moved(x, context, extras=1, noise=noise)
            finer, (two,) = self._moved(x, context, extras=1, noise=noise, refined=True)
            back = self.inverse(z, context)
            far = [(a - b).flatten(1).norm(dim=1) for a, b in ((z, finer), (back, x))]
            return DiscretisationError(far[0], (one - two).abs(), far[1])

    def inversion(self) -> Claims:
        """Return that the inverse is one up to the integrator: a chain looks how far it misses."""
        return Claims((Claim(Invertible(), Kind.MEASURED, _BACK),))

    def claims(self) -> Claims:
        """Return what holds up to rounding: the inverse of symmetric methods; and why not more."""
        log_det = (
            "the log-determinant is the integral of the trace of the ODE, which differs from that "
            "of the discretised map by the error of the integrator"
        )
        noisy = f"the trace is estimated with one random probe for each sample of {self.shape}"
        gaps = [log_det, *([noisy] if self.trace == "hutchinson" else [])]
        if self.integrator.symmetric and not self.integrator.doubled:
            found = Claim(Invertible(), Kind.MEASURED, _UNDONE)
            return Claims((found,), tuple(Gap("", reason) for reason in gaps))
        return Claims(gaps=tuple(Gap("", reason) for reason in (_BACK, *gaps)))

    def extra_repr(self) -> str:
        """Return the shape, the method and its steps."""
        return (
            f"shape={tuple(self.shape)}, integrator={self.integrator!r}, steps={self.steps}, "
            f"horizon={self.horizon:g}, trace={self.trace!r}"
        )

    def _moved(
        self,
        x: Tensor,
        context: Tensor | None,
        *,
        extras: int,
        noise: Tensor | None = None,
        back: bool = False,
        refined: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the features after the way, and as many of its integrals as asked for."""
        check_input(x, self.shape)
        probe = None if self.trace == "exact" else noise
        grid = Grid(self.integrator, self.steps, self.horizon)
        grid = grid.refined() if refined else grid

        def moved(start: Tensor) -> tuple[Tensor, ...]:
            same = context is not None and context.dtype == x.dtype
            given = context.to(start.dtype) if context is not None and same else context
            slope = Augmented(prepared(self.field, given), self.shape, extras, probe)
            end = grid.run(slope, slope.pack(start), back=back)
            if extras > 0 or isinstance(self.integrator, (Adaptive, ImplicitRungeKutta)):
                some = None if given is None else given[:_PROBED]
                check_rows(prepared(self.field, some), start[:_PROBED])
            return slope.unpack(end)

        z, *integrals = in_wide(self, x, moved)
        return z, tuple(integrals)

    def _noise(self, x: Tensor) -> Tensor | None:
        """Return a probe for every sample, where the trace is estimated."""
        return rademacher(x) if self.trace == "hutchinson" else None


def _trace(trace: Trace, entries: int) -> Literal["exact", "hutchinson"]:
    small = entries <= _EXACT_UP_TO
    return "exact" if trace == "exact" or (trace == "auto" and small) else "hutchinson"
