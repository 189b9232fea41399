"""Training as optimal control: regularisers in time, learned steps, deep limits."""

from darboux.control._all_at_once import AllAtOnce
from darboux.control._deep_limit import DeepLimit, deep_limit
from darboux.control._discrete_msa import DiscreteMSA
from darboux.control._forward_backward import ForwardBackward
from darboux.control._gauss_newton import GaussNewton
from darboux.control._line_search import Armijo, Backtracking, LineSearch
from darboux.control._msa import MSA, ExtendedMSA
from darboux.control._nonsmooth import L1, Simplex, TotalVariation
from darboux.control._optimality import Optimality, optimality
from darboux.control._problem import ControlProblem
from darboux.control._prolong import prolong
from darboux.control._prolong_kernels import prolong_kernels
from darboux.control._regularizer import ProximalRegularizer, Regularizer
from darboux.control._smooth import H1, L2, KineticEnergy
from darboux.control._tolerances import gradient_tolerances

__all__ = [
    "H1",
    "L1",
    "L2",
    "MSA",
    "AllAtOnce",
    "Armijo",
    "Backtracking",
    "ControlProblem",
    "DeepLimit",
    "DiscreteMSA",
    "ExtendedMSA",
    "ForwardBackward",
    "GaussNewton",
    "KineticEnergy",
    "LineSearch",
    "Optimality",
    "ProximalRegularizer",
    "Regularizer",
    "Simplex",
    "TotalVariation",
    "deep_limit",
    "gradient_tolerances",
    "optimality",
    "prolong",
    "prolong_kernels",
]
