"""Without the extra ``darboux[workshop]`` the library works, and its other rooms say what to do."""

import subprocess
import sys

import pytest

ABSENT = ("PIL", "tifffile", "accelerate", "matplotlib", "msgspec", "rich", "typer")
NEEDS = {"data": ABSENT[:2], "training": ABSENT[:5], "cli": ABSENT}

# An entry None makes Python, and find_spec, see no such package.
PROGRAM = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({ABSENT}))
import torch, darboux
darboux.models.denoiser(features=8, units=8, depth=1)(torch.ones(1, 1, 4, 4))
for room in {tuple(NEEDS)}:
    try:
        importlib.import_module("darboux." + room)
    except ModuleNotFoundError as error:
        print(error)
from darboux.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def without():
    """What happens where the packages of the extra are absent."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )


def sentence(room):
    return (
        f"Expected {', '.join(NEEDS[room])}, which darboux.{room} needs; not installed. "
        'Use: pip install "darboux[workshop]".'
    )


def test_rooms_that_need_the_extra_say_what_to_install(without):
    assert without.stdout.splitlines() == [sentence(room) for room in NEEDS], without.stderr


def test_command_is_one_line_without_a_traceback(without):
    assert without.returncode == 2
    assert without.stderr == f"Error: {sentence('cli')}\n"
