"""How the code reads: final classes, no leftovers, short files, nobody's machine."""

import ast
import inspect
import re

MAX_LINES = 300
# Spelt in pieces, or this file would be the first to break its own rule.
PATHS = ["/" + "work/", "/" + "root/", r"/" + r"home/\w", "/" + "Users/", "/" + "opt/", r"C:\\\\U"]
HOSTS = [
    "py" + r"pi\.org",
    "python" + "hosted",
    "npm" + "js",
    "download." + "pytorch",
    "find-" + "links",
]
MACHINE = re.compile("|".join(PATHS + HOSTS))


def test_classes_are_abstract_or_final(cls):
    for base in cls.__bases__:
        if base.__module__.split(".")[0] == "darboux":
            abstract = inspect.isabstract(base) or "ABC" in [b.__name__ for b in base.__bases__]
            assert abstract, f"{cls.__name__} extends the final class {base.__name__}: wrap it"


def test_super_only_initialises(source):
    tree = ast.parse(source.read_text())
    allowed = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "__init__"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "super":
            assert id(node) in allowed, f"line {node.lineno}: only super().__init__() is called"


def test_leaves_nothing_behind(source):
    text = source.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            printed = isinstance(node.func, ast.Name) and called == "print"
            assert not printed, f"line {node.lineno}: print; return evidence or log it"
            assert called != "set_default_dtype", f"line {node.lineno}: global number format"
            assert called != "cuda", f"line {node.lineno}: .cuda(); the device follows the input"
    assert not re.search(r"\b(TO" + "DO|FIX" + r"ME|XXX)\b", text), "an open end in the source"


def test_files_are_short(source):
    lines = len(source.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: one object per file, at most {MAX_LINES}"


def test_names_no_machine_and_no_registry(tracked_file):
    found = MACHINE.search(tracked_file.read_text(encoding="utf-8"))
    assert found is None, f"{found.group()!r} belongs to one machine"
