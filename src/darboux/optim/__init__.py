"""Optimisers as integrators: conformal Hamiltonian systems, gradient descent along manifolds."""

from darboux.optim._bfgs import BFGS
from darboux.optim._conformal_hamiltonian import ConformalHamiltonian
from darboux.optim._discrete_gradient_descent import DiscreteGradientDescent
from darboux.optim._hamiltonian_descent import HamiltonianDescent
from darboux.optim._heavy_ball import HeavyBall, Nesterov
from darboux.optim._kfac import KFAC
from darboux.optim._kinetic import Kinetic, PowerKinetic, QuadraticKinetic, RelativisticKinetic
from darboux.optim._manifold_parameter import ManifoldParameter
from darboux.optim._natural_gradient import NaturalGradient
from darboux.optim._port_hamiltonian_descent import PortHamiltonianDescent
from darboux.optim._relativistic import RelativisticGradientDescent
from darboux.optim._riemannian_adam import RiemannianAdam
from darboux.optim._riemannian_cg import RiemannianCG
from darboux.optim._riemannian_muon import RiemannianMuon
from darboux.optim._riemannian_sgd import RiemannianSGD
from darboux.optim._wasserstein_flow import WassersteinFlow

__all__ = [
    "BFGS",
    "KFAC",
    "ConformalHamiltonian",
    "DiscreteGradientDescent",
    "HamiltonianDescent",
    "HeavyBall",
    "Kinetic",
    "ManifoldParameter",
    "NaturalGradient",
    "Nesterov",
    "PortHamiltonianDescent",
    "PowerKinetic",
    "QuadraticKinetic",
    "RelativisticGradientDescent",
    "RelativisticKinetic",
    "RiemannianAdam",
    "RiemannianCG",
    "RiemannianMuon",
    "RiemannianSGD",
    "WassersteinFlow",
]
