"""Everything about images: measurements and priors, name -> factory."""

from tests.catalogue import operators, priors

CASES = {**operators.CASES, **priors.CASES}
