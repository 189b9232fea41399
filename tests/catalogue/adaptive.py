"""The adaptive integrators that the conformance tests run over."""

from __future__ import annotations

from collections.abc import Callable

from darboux.integrators import DormandPrince, Integrator

CASES: dict[str, Callable[[], Integrator]] = {
    "dormand_prince": DormandPrince,
    "dormand_prince_coarse": lambda: DormandPrince(rtol=1e-2, atol=1e-2),
    "dormand_prince_absolute": lambda: DormandPrince(rtol=0.0, atol=1e-5),
    "dormand_prince_relative": lambda: DormandPrince(rtol=1e-5, atol=0.0),
}
