"""Named bijections, "couplings-affine": name -> factory, shape of x, shape of the context."""

from tests.catalogue.bijections import (
    chains,
    couplings,
    linear_bijections,
    residual_bijections,
)

_FAMILIES = {
    "couplings": couplings,
    "linear_bijections": linear_bijections,
    "residual_bijections": residual_bijections,
    "chains": chains,
}


def _union(table):
    """Return a table of all families; what a family does not list is empty."""
    return {
        f"{family}-{name}": entry
        for family, module in _FAMILIES.items()
        for name, entry in getattr(module, table, {}).items()
    }


CASES = _union("CASES")
SHAPES = _union("SHAPES")
CONTEXTS = _union("CONTEXTS")
SKIPPED = _union("SKIPPED")
