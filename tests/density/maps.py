"""Small bijections with closed formulas, and a module that returns a log-density."""

import torch
from torch import nn

from darboux.bijections import Bijection, bijective


class Shifted(Bijection):
    """z = a (x - c - b), a > 0 for each entry, perhaps with a context c of the same size."""

    def __init__(self, features, *, conditioned=False):
        super().__init__()
        self.log_a = nn.Parameter(torch.linspace(-0.5, 0.7, features))
        self.b = nn.Parameter(torch.linspace(0.3, -1.0, features))
        self.context_features = features if conditioned else None

    def _shift(self, context):
        return self.b if self.context_features is None else self.b + context

    def forward_and_log_det(self, x, context=None):
        z = (x - self._shift(context)) * self.log_a.exp()
        return z, self.log_a.sum().expand(len(x))

    def inverse_and_log_det(self, y, context=None):
        x = y * (-self.log_a).exp() + self._shift(context)
        return x, -self.log_a.sum().expand(len(y))

    def claims(self):
        return bijective("affine", gap="not computed")


class SinhArcsinh(Bijection):
    """z = sinh(k asinh(x) + e) for each entry: skewed, with other tails, in closed form."""

    def __init__(self, k=0.7, e=0.4):
        super().__init__()
        self.k, self.e = k, e

    def forward_and_log_det(self, x, context=None):
        inner = self.k * x.asinh() + self.e
        slope = self.k * inner.cosh() / (1 + x**2).sqrt()
        return inner.sinh(), slope.log().sum(dim=1)

    def inverse_and_log_det(self, y, context=None):
        x = ((y.asinh() - self.e) / self.k).sinh()
        return x, -self.forward_and_log_det(x)[1]

    def claims(self):
        return bijective("monotone", gap="not computed")


class LogDensity(nn.Module):
    """log p(x | c), (batch, 1), as a module that the checks of the life cycle can call."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def forward(self, *given):
        context, x = given if len(given) == 2 else (None, given[0])
        return self.flow.log_prob(x, context).unsqueeze(-1)
