"""The check that the extra ``darboux[workshop]`` of `data`, `training` and `cli` is there."""

from __future__ import annotations

from importlib.util import find_spec


def require(room: str, *modules: str) -> None:
    """Refuse to import a room where what it needs is not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        msg = (
            f"Expected {', '.join(missing)}, which {room} needs; not installed. "
            'Use: pip install "darboux[workshop]".'
        )
        raise ModuleNotFoundError(msg, name=missing[0])
