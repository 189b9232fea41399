"""Training of denoisers: settings, loop, checkpoints, evaluation, report.

`train_denoiser` does all of it; `Trainer` is the loop alone, for networks and pictures of
one's own. A run is a folder that holds no pickle: tensors are safetensors, the rest is JSON.
"""

from darboux._workshop import require as _require

_require("darboux.training", "PIL", "tifffile", "accelerate", "matplotlib", "msgspec")

from darboux.training._baseline import total_variation, tune_total_variation
from darboux.training._config import DenoiseConfig
from darboux.training._evaluation import certify_denoiser, denoise, photograph_example, psnr
from darboux.training._files import load_tensors, save_tensors
from darboux.training._listener import Listener, MetricsLog, Silent
from darboux.training._load import Trained, load
from darboux.training._one_cycle import OneCycle
from darboux.training._regularizer_config import RegularizerConfig
from darboux.training._run import train_denoiser
from darboux.training._run_folder import RunFolder
from darboux.training._setup import build_network
from darboux.training._trainer import Trainer, loss_named

__all__ = [
    "DenoiseConfig",
    "Listener",
    "MetricsLog",
    "OneCycle",
    "RegularizerConfig",
    "RunFolder",
    "Silent",
    "Trained",
    "Trainer",
    "build_network",
    "certify_denoiser",
    "denoise",
    "load",
    "load_tensors",
    "loss_named",
    "photograph_example",
    "psnr",
    "save_tensors",
    "total_variation",
    "train_denoiser",
    "tune_total_variation",
]
