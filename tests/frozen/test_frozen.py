"""The library behaves as it did: names, cases and faults of the snapshot, through `renamed`.

The JSON files are the snapshot; ``python -m tests.frozen.take`` writes them anew.
"""

import json
import re
from itertools import groupby
from pathlib import Path

import pytest

from tests.frozen import renamed
from tests.frozen.collected import counts
from tests.frozen.lookup import case, member, named, new_name, parameter
from tests.frozen.made import OWN, factory
from tests.frozen.measure import measure
from tests.frozen.numbers_of import close, same_text
from tests.frozen.planted import refuted
from tests.frozen.surface import parameters_of

HERE = Path(__file__).parent
WORD = re.compile(r"\w+")
FAULTS_AT_ONCE = 8


def snapshot(name):
    """Return a table of the snapshot."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def grouped(table, separator):
    """Return the entries of a table by the first part of their keys."""
    keys = sorted(table)
    groups = groupby(keys, key=lambda key: key.split(separator, 1)[0])
    return {first: {key: table[key] for key in some} for first, some in groups}


NAMES = grouped(snapshot("names.json"), ".")
CASES = grouped(snapshot("cases.json"), "/")
FAULTS = snapshot("faults.json")
COUNTS = snapshot("counts.json")


def reworded(text):
    """Return a text with today's names of classes."""
    classes = {
        old.rsplit(".", 1)[1]: new.rsplit(".", 1)[1] for old, new in renamed.NAMES.items() if new
    }
    table = {**classes, **renamed.STRUCTURES}
    return WORD.sub(lambda word: table.get(word.group(), word.group()), text)


@pytest.mark.parametrize("room", NAMES)
def test_names(room):
    """Every public name is there, with its parameters and members."""
    wrong = [line for key, entry in NAMES[room].items() for line in wrong_name(key, entry)]
    assert not wrong, "\n".join(["", *wrong])


def wrong_name(key, entry):
    """Yield what differs about one public name."""
    new = new_name(key)
    if new is None:
        if key not in renamed.DROPPED:
            yield f"{key}: dropped without a reason in DROPPED"
        return
    try:
        thing = named(key)
    except (AttributeError, ModuleNotFoundError) as error:
        yield f"{key}: gone ({error})"
        return
    if entry.get("parameters") is not None and key not in renamed.SIGNATURES:
        yield from wrong_parameters(key, entry["parameters"], parameters_of(thing))
    yield from wrong_members(key, entry.get("members", ()), thing)


def wrong_parameters(key, old, new):
    """Yield what differs about a signature; new keyword-only parameters with defaults are fine."""
    renames = [[parameter(key, name), kind, default] for name, kind, default in old]
    expected = [(*tuple(p[:2]), default_now(p[2])) for p in renames if p[0] is not None]
    if new is None:
        yield f"{key}: has no signature any more"
        return
    known = {name for name, _, _ in expected}
    found = [tuple(p) for p in new if p[0] in known or p[1] != "key" or p[2] is None]
    ordered = [p for p in expected if p[1] != "key"] == [p for p in found if p[1] != "key"]
    if not ordered or set(expected) != set(found):
        yield f"{key}: expected parameters {expected}; got {found}"


def default_now(default):
    """Return a default with today's names."""
    return None if default is None else reworded(default)


def wrong_members(key, members, thing):
    """Yield the public members that are gone."""
    for name in members:
        new = member(key, name)
        if new is None:
            if f"{key}.{name}" not in renamed.DROPPED and name not in renamed.DROPPED:
                yield f"{key}.{name}: dropped without a reason in DROPPED"
        elif not hasattr(thing, new):
            yield f"{key}.{name}: gone"


@pytest.mark.slow
@pytest.mark.parametrize("module", CASES)
def test_cases(module):
    """Every case has the state, the values, the gradients and the claims that it had."""
    wrong = [line for key, entry in CASES[module].items() for line in wrong_case(key, entry)]
    assert not wrong, "\n".join(["", *wrong])


def wrong_case(key, entry):
    """Yield what differs about one case."""
    try:
        build = factory(key) if module_of(key) in OWN else case(key)
        if build is None:
            yield f"{key}: gone from the catalogue"
            return
        found = measure(key, entry["recipe"], build)
    except Exception as error:  # the list of what else is wrong is worth more than a trace
        yield f"{key}: {type(error).__name__}: {error}"
        return
    for name in sorted(entry["found"].keys() | found.keys()):
        if f"{key}/{name}" not in renamed.CHANGED:
            old, new = entry["found"].get(name), found.get(name)
            if not agree(name, old, new):
                yield f"{key}/{name}: expected {old}; got {new}"


def module_of(key):
    """Return the module of a key."""
    return key.split("/", 1)[0]


def agree(name, old, new):
    """Return whether one recorded thing is as it was."""
    if old is None or new is None:
        return old is new
    if name == "claims":
        return same_claims(old, new)
    if name == "premises":
        return sorted(map(reworded, old)) == sorted(new)
    return close(old, new)


def same_claims(old, new):
    """Return whether two lists of claims agree, whatever their order."""
    left, right = (
        sorted([[*map(reworded, claim[:3]), sorted(map(reworded, claim[3]))] for claim in claims])
        for claims in (old, new)
    )
    return len(left) == len(right) and all(map(same_claim, left, right))


def same_claim(old, new):
    """Return whether two claims agree, numbers in their formulas up to rounding."""
    return old[:2] == new[:2] and old[3] == new[3] and same_text(old[2], new[2])


def chunks(keys):
    """Return the keys in pieces, so that workers can share them."""
    starts = range(0, len(keys), FAULTS_AT_ONCE)
    return {f"from-{start}": keys[start : start + FAULTS_AT_ONCE] for start in starts}


@pytest.mark.slow
@pytest.mark.parametrize("keys", chunks(list(FAULTS)).values(), ids=chunks(list(FAULTS)))
def test_faults(keys):
    """Every planted fault is refuted where it was."""
    wrong = [line for key in keys for line in wrong_fault(key)]
    assert not wrong, "\n".join(["", *wrong])


def wrong_fault(key):
    """Yield what differs about one fault."""
    if key in renamed.CHANGED:
        return
    old, new = FAULTS[key], refuted(key)
    expected = sorted([level, reworded(what)] for level, what in old["refuted"])
    if old["holds"] != new["holds"] or expected != sorted(new["refuted"]):
        yield f"{key}: expected {old['holds']}, {expected}; got {new['holds']}, {new['refuted']}"


@pytest.mark.slow
def test_no_folder_lost_tests():
    """No folder of tests collects fewer; conventions count files, and so go up and down."""
    now = counts()["tests"]
    new = {folder: renamed.ROOMS.get(folder, folder) for folder in COUNTS["tests"]}
    fewer = {
        folder: (count, now.get(new[folder], 0))
        for folder, count in COUNTS["tests"].items()
        if folder != "conventions" and now.get(new[folder], 0) < count
    }
    assert not fewer, f"folder -> (before, now): {fewer}"
