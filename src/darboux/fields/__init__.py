"""Vector fields f(t, z) with the constants that make theorems apply (section 2.1).

A field knows what flows, not how: an integrator steps it and a `darboux.flow.Flow`
strings the steps together. Each field reports bounds as far as a theorem gives
them: the Lipschitz constant L, the one-sided constant ν and the cocoercivity ν̄.
"""

from darboux.fields.antisymmetric import AntisymmetricField
from darboux.fields.field import VectorField
from darboux.fields.gradient import GradientField
from darboux.fields.residual import ResidualField
from darboux.fields.together import bind_together
from darboux.fields.zhang_schaeffer import ZhangSchaefferField

__all__ = [
    "AntisymmetricField",
    "GradientField",
    "ResidualField",
    "VectorField",
    "ZhangSchaefferField",
    "bind_together",
]
