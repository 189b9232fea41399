"""The code blocks of README and of the documentation run as they stand, and commands are known."""

import re
import shlex
import sys
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType

import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import parse_args as torchrun_arguments
from typer.testing import CliRunner

from darboux.certification import Effort, _target
from darboux.cli import app
from reproductions import EXPERIMENTS
from reproductions import __main__ as reproductions

ROOT = Path(__file__).parents[2]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Return the Python blocks of a page, each with its first line number."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        indent = len(found[1])
        code = "\n".join(line[indent:] for line in found[2].splitlines())
        yield text[: found.start()].count("\n") + 1, code


# torch's exporter to ONNX uses a function of its own that it deprecates
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_run(page, tmp_path, monkeypatch, request):
    """Blocks of one page share their names, as a reader would type them.

    Certificates of normal effort are made with little effort, or as they stand with --slow.
    """
    if not request.config.getoption("--slow"):
        monkeypatch.setitem(_target._EFFORTS, "normal", Effort.named("quick"))
    monkeypatch.chdir(tmp_path)
    script = ModuleType(f"page_{page.stem}")  # a module, so that classes of a page pickle
    monkeypatch.setitem(sys.modules, script.__name__, script)
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), vars(script))


def test_readme_has_the_first_six_lines():
    """Guard against a page that passes because it shows nothing."""
    assert any("certificate.holds" in code for _, code in blocks(ROOT / "README.md"))


# --- commands: those of shell blocks, and those in the text -----------------------------------

PROGRAMS = ("darboux", "python", "torchrun", "accelerate", "pip", "make", "pytest", "pre-commit")
SHELL = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_TEXT = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")


def commands(page):
    """Return the commands that a page tells to type."""
    text = page.read_text(encoding="utf-8")
    lines = "".join(found[1] for found in SHELL.finditer(text)).splitlines()
    return [line for line in (*lines, *IN_TEXT.findall(text)) if line]


COMMANDS = sorted({c for page in (*PAGES, ROOT / "CONTRIBUTING.md") for c in commands(page)})


def check_darboux(words, monkeypatch):
    """Everything is parsed and checked but the work itself."""
    for work in ("_trained.denoise_pictures", "_trained.certify_run", "_train._train"):
        monkeypatch.setattr(f"darboux.cli.{work}", lambda *arguments, **options: None)
    bare = not any(word.startswith("-") or "/" in word for word in words)
    result = CliRunner().invoke(app, [*words, "--help"] if bare else words)
    assert result.exit_code == 0, result.output


def check_python(words, monkeypatch):
    if words[:3] == ["-m", "pip", "install"]:
        return check_pip(words[2:], monkeypatch)
    assert words[:2] == ["-m", "reproductions"]
    options = reproductions._parser().parse_args(words[2:])
    if options.name == "list":
        assert reproductions.main(["list"]) == 0
    elif options.name not in ("NAME", "all"):
        assert bool(EXPERIMENTS[options.name].data) == (options.data is not None)
    return None


def check_torchrun(words, monkeypatch):
    options = torchrun_arguments(words)
    assert (options.module, options.training_script) == (True, "darboux")
    assert options.nproc_per_node == "2"
    check_darboux(options.training_script_args, monkeypatch)


def check_accelerate(words, monkeypatch):
    """Without --multi_gpu it starts one process, whatever the number."""
    assert words[0] == "launch"
    options = launch_command_parser().parse_args(words[1:])
    assert (options.module, options.training_script) == (True, "darboux")
    assert (options.multi_gpu, options.num_processes) == (True, 2)
    check_darboux(options.training_script_args, monkeypatch)


def check_pip(words, monkeypatch):
    found = re.fullmatch(r"(?:darboux|\.)(?:\[(.*)\])?", words[-1])
    extras = set(found[1].split(",")) if found[1] else set()
    assert extras <= set(metadata("darboux").get_all("Provides-Extra"))


def check_make(words, monkeypatch):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{word}:", makefile, re.MULTILINE) for word in words)


def check_pytest(words, monkeypatch):
    known = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    for word in words:
        place = ROOT / word.partition("<")[0]
        assert f'"{word}"' in known if word.startswith("-") else place.exists()


def check_pre_commit(words, monkeypatch):
    assert words == ["install"]
    assert (ROOT / ".pre-commit-config.yaml").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_known(command, tmp_path, monkeypatch):
    """Those of two processes run as they stand in tests/cli/test_processes.py, with --slow."""
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command, comments=True)
    name = program.removeprefix(".venv/bin/").replace("-", "_")
    globals()[f"check_{name}"](words, monkeypatch)


def test_commands_are_found():
    programs = {c.split()[0].removeprefix(".venv/bin/") for c in COMMANDS}
    assert programs == set(PROGRAMS)
