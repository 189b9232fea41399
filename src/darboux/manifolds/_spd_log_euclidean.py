"""The log-Euclidean metric."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.manifolds._analytic import EXP, LOG
from darboux.manifolds._matrix_functions import differential, sym_expm, sym_logm
from darboux.manifolds._spd_metric import SPDMetric, trace_product


@final
class LogEuclidean(SPDMetric):
    """The metric that makes the logarithm an isometry: <u, v>_x = tr(Dlog(x)[u] Dlog(x)[v])."""

    flat = True
    below = 2**0.5  # it occurs twice

    def chart(self, x: Tensor) -> Tensor:
        """Return log x."""
        return sym_logm(x)

    def unchart(self, c: Tensor) -> Tensor:
        """Return exp of the symmetric matrix with the lower triangle of c."""
        return sym_expm(c.tril() + c.tril(-1).mT)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(Dlog(x)[u] Dlog(x)[v])."""
        return trace_product(differential(LOG, x, u), differential(LOG, x, v))

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the exponential of log x + Dlog(x)[v]."""
        return sym_expm(sym_logm(x) + differential(LOG, x, v))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return Dexp(log x)[log y - log x]."""
        start = sym_logm(x)
        return differential(EXP, start, sym_logm(y) - start)

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return ‖log y - log x‖²."""
        return (sym_logm(y) - sym_logm(x)).square().sum((-2, -1))

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return Dexp(log x)[Dexp(log x)[g]]: Dexp is self-adjoint."""
        start = sym_logm(x)
        return differential(EXP, start, differential(EXP, start, g))

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return Dexp(log y)[Dlog(x)[v]]."""
        return differential(EXP, sym_logm(y), differential(LOG, x, v))
