"""Named fields: name -> factory."""

from tests.catalogue.fields import general, on_manifolds, passive, phase

CASES = {**general.CASES, **phase.CASES, **passive.CASES, **on_manifolds.CASES}
