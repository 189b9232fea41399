"""The command line with an instant certificate, for processes that tests start and kill.

With SLOW_STEPS in the environment every training step takes that many seconds, so that a kill
comes in the middle of a run.
"""

import os
import time

from darboux.cli import main
from darboux.training import _run as run
from darboux.training._trainer import Trainer


class Verdict:
    verdict = "holds"

    def to_json(self):
        return "{}"

    def to_html(self):
        return "<p>verdict</p>"


def slowed(one_step, seconds):
    def step(self):
        time.sleep(seconds)
        return one_step(self)

    return step


if __name__ == "__main__":
    run.certify_denoiser = lambda *args, **kwargs: Verdict()
    if seconds := float(os.environ.get("SLOW_STEPS", "0")):
        Trainer._one_step = slowed(Trainer._one_step, seconds)
    main()
