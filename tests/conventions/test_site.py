"""Every public name has an entry in the reference: `make site` builds it, then runs this."""

import re
from pathlib import Path

import darboux

SITE = Path(__file__).parents[2] / "site"


def test_every_public_name_has_an_entry(rooms):
    pages = [page.read_text(encoding="utf-8") for page in SITE.glob("api/*.html")]
    entries = {entry for page in pages for entry in re.findall(r'id="(darboux\.[\w.]+)"', page)}
    names = {f"darboux.{room}.{name}" for room, module in rooms.items() for name in module.__all__}
    assert not names - entries, f"no entry of {sorted(names - entries)}"


def test_every_name_at_the_top_comes_from_a_room(rooms):
    known = {*rooms, *(name for module in rooms.values() for name in module.__all__)}
    assert not set(darboux.__all__) - known
