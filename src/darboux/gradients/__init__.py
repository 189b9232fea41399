"""How derivatives go through a list of step maps, and what is kept in memory for them."""

__all__: list[str] = []
