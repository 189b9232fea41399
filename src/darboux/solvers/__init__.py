"""Solvers: fixed points x = g(x), one for each sample of a batch, with exact derivatives.

Implicit integrators call `solve` with the equations of their stages. What does not converge
raises `ConvergenceError`; nothing comes back unconverged in silence. `descend` is the training
loop: it minimises a loss by an optimizer of torch.
"""

from darboux.solvers._convergence import ConvergenceError
from darboux.solvers._descend import descend
from darboux.solvers._solve import Method, solve

__all__ = ["ConvergenceError", "Method", "descend", "solve"]
