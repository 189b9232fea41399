"""Maps made of maps, with the rules by which claims pass through them.

`torch.nn.Sequential` composes; here are the rest: `Affine` (a linear map with the bias that it
allows), `Lifted` (between a lift and its adjoint), `Residual` (sum with the identity), `Average`
(convex combination), `Translated` (another origin), and on manifolds `InCoordinates` (a network in
flat coordinates), `FrechetConv` (weighted means of neighbours) and `TangentConv` (steps towards
them).
"""

from darboux.compose._in_coordinates import InCoordinates
from darboux.compose._lifted import Lifted
from darboux.compose._manifold_convs import FrechetConv, TangentConv
from darboux.compose._sums import Affine, Average, Residual, Translated

__all__ = [
    "Affine",
    "Average",
    "FrechetConv",
    "InCoordinates",
    "Lifted",
    "Residual",
    "TangentConv",
    "Translated",
]
