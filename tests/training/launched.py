"""The command line with an instant certificate, for processes that tests start."""

from conftest import Verdict

from darboux.cli import main
from darboux.training import _run as run

if __name__ == "__main__":
    run.certify_denoiser = lambda *args, **kwargs: Verdict()
    main()
