"""Optimisers as integrators: gradient descent along manifolds."""

from darboux.optim._manifold_parameter import ManifoldParameter
from darboux.optim._riemannian_adam import RiemannianAdam
from darboux.optim._riemannian_cg import RiemannianCG
from darboux.optim._riemannian_muon import RiemannianMuon
from darboux.optim._riemannian_sgd import RiemannianSGD

__all__ = ["ManifoldParameter", "RiemannianAdam", "RiemannianCG", "RiemannianMuon", "RiemannianSGD"]
