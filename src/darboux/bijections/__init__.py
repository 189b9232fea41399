"""Invertible layers: forward, inverse and log-determinant, and chains of them.

`Bijection` is the contract. Coupling layers are shears (section 4.1.1), residual ones are
inverted by a fixed point (4.1.2), linear ones by their factors (4.1.3).
"""

from darboux.bijections.bijection import Bijection

__all__ = ["Bijection"]
