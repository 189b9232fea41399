"""Training as optimal control: regularisers in time, learned steps, deep limits."""

from darboux.control._problem import ControlProblem
from darboux.control._regularizer import Regularizer

__all__ = ["ControlProblem", "Regularizer"]
