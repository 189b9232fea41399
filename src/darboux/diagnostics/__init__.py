"""Diagnostics: what is measured along the way, and never claimed.

The modified Hamiltonian that a symplectic method almost keeps, and the eigenvalues of a
field's Jacobian.
"""

from darboux.diagnostics._modified_hamiltonian import modified_hamiltonian
from darboux.diagnostics._spectrum import spectrum

__all__ = ["modified_hamiltonian", "spectrum"]
