"""Named fields: name -> factory."""

from tests.catalogue.fields import general, passive, phase

CASES = {**general.CASES, **phase.CASES, **passive.CASES}
