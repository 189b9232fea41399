"""The invertible residual layer, undone by a fixed-point iteration."""

from __future__ import annotations

import math
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, bijective, in_wide
from darboux.bijections._contractive_network import (
    ContractiveNetwork,
    Map,
    constant_of,
    contraction_of,
)
from darboux.bijections._coupling import context_at
from darboux.bijections._layered import Layered
from darboux.bijections._log_det_estimator import ExactLogDet, LogDetEstimator, TruncatedSeries
from darboux.bijections._mixed_contractive_network import MixedContractiveNetwork
from darboux.bijections._russian_roulette import RussianRoulette
from darboux.solvers._solve import solved
from darboux.structure import (
    BiLipschitz,
    Claims,
    Gap,
    Kind,
    Lipschitz,
    claims_of,
    endomorphism,
)
from darboux.structure._arguments import Count, checked

Inversion = Literal["fixed-point", "anderson"]

_FEW = 16  # entries of a sample, up to which the whole Jacobian is affordable in training

_LONGEST = 20_000  # iterations


@final
class InvertibleResidual(Bijection):
    """The layer y = x + f(x) with a proved Lipschitz constant L < 1 of f.

    x is the fixed point of z -> y - f(z), by Banach's theorem; the iteration converges to
    rounding, and derivatives of the inverse are those of the implicit function theorem. The
    constant is what the network claims (`darboux.structure.claims_of`), for all parameters
    (`Kind.CONSTRUCTION`) or for the present ones (`Kind.BOUND`); the latter is proved anew
    whenever the layer is inverted or a log-determinant is asked for. A constant that was only
    measured licenses nothing. A network may contract in another norm than the Euclidean one,
    and say so in a method ``contraction()``, see `MixedContractiveNetwork`.

    Log-determinants are exact or estimated, see `LogDetEstimator`. "auto" is `ExactLogDet` for
    a dense contractive network of at most 16 channels. Else it is `RussianRoulette` in
    training mode, and in eval mode `TruncatedSeries(20, probes=4, seed=0)`, the same number in
    every call. Only the estimators that say so draw random numbers, from the default generators.

    The whole layer is computed without autocast, in float32 at least, since rounding f to fewer
    digits would break the contraction. `torch.compile` of one whole graph and `torch.func.vmap`
    do not reach the inverse.

    Shapes: (batch, channels, *space) -> the same; the context is (batch, context_features), or
    has the space of x as well, and is concatenated to the channels that f sees.

    Source: section 4.1.2, equations (44)-(46); Behrmann et al. 2019, Invertible residual
    networks; Chen et al. 2019, Residual Flows.

    Args:
        network: f, (batch, channels + context_features, *space) -> (batch, channels, *space).
        log_det: how log-determinants are computed, "auto" or an estimator.
        eval_log_det: the same in eval mode; None for `log_det` itself, or as "auto" says.
        method: of the inverse, "fixed-point" or "anderson".
        max_iter: iterations of the inverse; None for what L allows for, at most 20000.
        context_features: of the context, or None.

    Raises:
        ValueError: if the network has no proved Lipschitz constant below 1, or an argument makes
            no sense.

    Example:
        >>> layer = InvertibleResidual(ContractiveNetwork(2, [16], constant=0.9))
        >>> x = torch.tensor([[1.0, -2.0]])
        >>> torch.allclose(layer.inverse(layer(x)), x, atol=1e-4)
        True
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        *,
        log_det: LogDetEstimator | Literal["auto"] = "auto",
        eval_log_det: LogDetEstimator | None = None,
        method: Inversion = "anderson",
        max_iter: Count | None = None,
        context_features: Count | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.by_construction = _is_proved_for_all(network)
        self.log_det, self.eval_log_det = _estimators(network, log_det, eval_log_det)
        self.method: Inversion = method
        self.max_iter = max_iter
        self.context_features = context_features

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return x + f(x)."""
        return in_wide(self, x, lambda x: (x + self._map(x, context)(x),))[0]

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x + f(x) and log det(I + f'(x)), (batch,), by the estimator of the mode.

        Raises:
            ValueError: if the network has no proved Lipschitz constant below 1 any more.
        """
        y, log_det = in_wide(self, x, lambda x: self._forward_and_log_det(x, context))
        return y, log_det

    def _forward_and_log_det(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        self._check()
        if not torch.compiler.is_compiling() and torch.is_inference_mode_enabled():
            # f is to be differentiated, and what inference mode made cannot be
            with torch.inference_mode(mode=False), torch.no_grad():
                given = None if context is None else context.clone()
                return self._forward_and_log_det(x.clone(), given)
        value, log_det = self.estimator.evaluate(self._map(x, context), x)
        return x + value, log_det

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the x with x + f(x) = y.

        Raises:
            ValueError: if the network has no proved Lipschitz constant below 1 any more.
            ConvergenceError: if there are not enough iterations.
        """
        return in_wide(self, y, lambda y: (self._inverse(y, context),))[0]

    def _inverse(self, y: Tensor, context: Tensor | None) -> Tensor:
        constant = constant_of(self.network)
        f = self._map(y, context)
        limit = _iterations(constant, y.dtype) if self.max_iter is None else self.max_iter
        return solved(
            lambda x: y - f(x),
            y,
            method=self.method,
            max_iter=limit,
            context="InvertibleResidual.inverse",
        )

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x with x + f(x) = y, and -log det(I + f'(x)), (batch,)."""

        def both(y: Tensor) -> tuple[Tensor, Tensor]:
            x = self._inverse(y, context)
            return x, -self._forward_and_log_det(x, context)[1]

        x, log_det = in_wide(self, y, both)
        return x, log_det

    def inverse_error(self, x: Tensor, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return ‖y - x - f(x)‖/(1 - L) >= ‖x - φ⁻¹(y)‖ for each sample, (batch,).

        It holds for every x, by Banach's theorem, in the norm in which f contracts.

        Raises:
            ValueError: if the network has no proved Lipschitz constant below 1 any more.
        """
        known = contraction_of(self.network)
        gap = y - self(x, context)
        size = torch.linalg.vector_norm(gap.flatten(1), known.order, dim=1)
        return size / (1 - known.constant)

    @property
    def estimator(self) -> LogDetEstimator:
        """How log-determinants are computed in the present mode, training or eval."""
        return self.log_det if self.training else self.eval_log_det

    def claims(self) -> Claims:
        """Return that the layer is invertible with bounds 1 - L and 1 + L, while L < 1."""
        try:
            known = contraction_of(self.network)
        except ValueError as error:
            return Claims(gaps=(Gap("network", str(error)),))
        constant, estimator = known.constant, self.estimator
        euclidean = known.order == 2
        gaps = [] if euclidean else [f"f contracts in l_{known.order:g}, not in the Euclidean norm"]
        gaps += [] if estimator.exact else [f"log-determinants are {estimator.describe()}"]
        found = bijective(
            f"x + f(x) with Lip(f) <= L = {constant:.6g} < 1, by Banach; {known.reason}",
            bounds=BiLipschitz(1 - constant, 1 + constant) if euclidean else None,
            kind=known.kind,
            bounds_kind=known.kind,
            log_det=estimator.exact,
            premises=known.premises,
            gap="; ".join(gaps) or None,
        )
        kept = endomorphism(claims_of(self.network)) if self.context_features is None else ()
        return Claims((*found.claims, *kept), found.gaps)

    def extra_repr(self) -> str:
        """Return how the layer is inverted and its log-determinants are computed."""
        return f"log_det={self.log_det}, method={self.method!r}"

    def _check(self) -> None:
        """Prove the constant of the present parameters, where it depends on them."""
        if not self.by_construction:
            if torch.compiler.is_compiling():
                msg = (
                    "InvertibleResidual: expected a network that is a contraction for all "
                    "parameters; got torch.compile with a constant that must be proved in each "
                    "call. Use ContractiveNetwork."
                )
                raise RuntimeError(msg)
            contraction_of(self.network)

    def _map(self, x: Tensor, context: Tensor | None) -> Map:
        """Return f for one context, its norms computed once."""
        network = self.network
        f: Map = network
        if isinstance(network, (ContractiveNetwork, MixedContractiveNetwork)):
            f = network.prepare()
        if self.context_features is None:
            return f
        given = context_at(type(self).__name__, x, context, self.context_features)
        if isinstance(f, Layered):
            return f.at(given)
        return lambda z: f(torch.cat([z, given], dim=1))


def _is_proved_for_all(network: nn.Module) -> bool:
    """Return whether the constant, refused unless it is below 1, is proved for all parameters."""
    if any(parameter.is_meta for parameter in network.parameters()):
        claim = claims_of(network).find(Lipschitz)
        if claim is not None and claim.kind is Kind.BOUND:
            return False  # of parameters without values yet: every use proves it anew
    return contraction_of(network).kind is Kind.CONSTRUCTION


def _estimators(
    network: nn.Module, training: LogDetEstimator | str, evaluation: LogDetEstimator | None
) -> tuple[LogDetEstimator, LogDetEstimator]:
    """Return the estimators of both modes."""
    if isinstance(training, LogDetEstimator):
        return training, training if evaluation is None else evaluation
    if _is_small(network):
        return ExactLogDet(), ExactLogDet() if evaluation is None else evaluation
    series = TruncatedSeries(20, probes=4, seed=0)
    return RussianRoulette(), series if evaluation is None else evaluation


def _is_small(network: nn.Module) -> bool:
    """Return whether a dense network of few channels is given."""
    if isinstance(network, ContractiveNetwork):
        return not network.dim and network.channels <= _FEW
    return isinstance(network, MixedContractiveNetwork) and network.channels <= _FEW


def _iterations(constant: float, dtype: torch.dtype) -> int:
    """Return n with L^n below rounding squared: the start may be off by much more than ‖x‖."""
    if constant == 0:
        return 20
    needed = 2 * math.log(torch.finfo(dtype).eps) / math.log(constant)
    return min(_LONGEST, 20 + math.ceil(needed))
