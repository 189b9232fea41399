"""Maps made of maps, with the rules by which claims pass through them.

`torch.nn.Sequential` composes; here are the rest: `Affine` (a linear map with the bias that it
allows), `Lifted` (between a lift and its
adjoint), `Residual` (sum with the identity), `Average` (convex combination) and
`Translated` (another origin).
"""

from darboux.compose.affine import Affine
from darboux.compose.average import Average
from darboux.compose.lifted import Lifted
from darboux.compose.residual import Residual
from darboux.compose.translated import Translated

__all__ = ["Affine", "Average", "Lifted", "Residual", "Translated"]
