"""The training of denoisers: settings, loop, checkpoints, judgement, report.

`train_denoiser` does all of it; `Trainer` is the loop alone, for networks and pictures of
one's own. A run is a folder that holds no pickle: tensors are safetensors, the rest is JSON.
"""

from darboux.training.baseline import total_variation, tune_total_variation
from darboux.training.certificates import certify_denoiser, photograph_example
from darboux.training.checkpoint import load_tensors, save_tensors
from darboux.training.config import DenoiseConfig
from darboux.training.evaluation import denoise
from darboux.training.listener import Listener, Silent
from darboux.training.losses import loss_named
from darboux.training.metrics import psnr
from darboux.training.metrics_log import MetricsLog
from darboux.training.networks import build_network
from darboux.training.run import train_denoiser
from darboux.training.run_folder import RunFolder
from darboux.training.schedule import OneCycle
from darboux.training.trainer import Trainer

__all__ = [
    "DenoiseConfig",
    "Listener",
    "MetricsLog",
    "OneCycle",
    "RunFolder",
    "Silent",
    "Trainer",
    "build_network",
    "certify_denoiser",
    "denoise",
    "load_tensors",
    "loss_named",
    "photograph_example",
    "psnr",
    "save_tensors",
    "total_variation",
    "train_denoiser",
    "tune_total_variation",
]
