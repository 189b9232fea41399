"""Everything about images: measurements, priors and denoisers, name -> factory."""

from tests.catalogue import denoisers, operators, priors

CASES = {**operators.CASES, **priors.CASES, **denoisers.CASES}
