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
OPEN_END = re.compile(r"\b(TO" + "DO|FIX" + r"ME|XXX)\b")


def is_abstract(cls):
    """Whether a class says that it is abstract."""
    return inspect.isabstract(cls) or "ABC" in [base.__name__ for base in cls.__bases__]


def only_fixes_arguments(cls):
    """Whether a class adds nothing to its base but the arguments that it is built with."""
    own = {name for name in vars(cls) if not (name.startswith("__") and name.endswith("__"))}
    methods = {name for name, value in vars(cls).items() if inspect.isfunction(value)}
    return not own - {"_abc_impl"} and methods <= {"__init__", "__repr__"}


def test_classes_are_abstract_or_final(classes):
    """Methods with a name of their own, `Euler`, are their general class with a fixed table."""
    wrong = [
        f"{name} extends the final class {base.__name__}: wrap it"
        for name, cls in classes.items()
        for base in cls.__bases__
        if base.__module__.split(".")[0] in ("darboux", "reproductions")
        and not is_abstract(base)
        and not only_fixes_arguments(cls)
    ]
    assert not wrong, "\n".join(wrong)


def leftovers(tree):
    """Yield (line, what is wrong) about calls."""
    allowed = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "__init__"
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called == "set_default_dtype":
            yield node.lineno, "global number format"
        if called == "cuda":
            yield node.lineno, ".cuda(): the device follows the input"
        if called == "super" and id(node) not in allowed:
            yield node.lineno, "only super().__init__() is called"


def test_leaves_nothing_behind(sources):
    wrong = [
        f"{name}:{line}: {what}"
        for name, path in sources.items()
        for line, what in leftovers(ast.parse(path.read_text()))
    ]
    wrong += [name for name, path in sources.items() if OPEN_END.search(path.read_text())]
    assert not wrong, "\n".join(wrong)


def test_files_are_short(sources):
    lines = {name: len(path.read_text().splitlines()) for name, path in sources.items()}
    long = {name: count for name, count in lines.items() if count > MAX_LINES}
    assert not long, f"one subject a file, at most {MAX_LINES} lines: {long}"


def test_names_no_machine_and_no_registry(tracked):
    found = {name: MACHINE.search(path.read_text("utf-8")) for name, path in tracked.items()}
    wrong = {name: match.group() for name, match in found.items() if match}
    assert not wrong, f"what belongs to one machine: {wrong}"
