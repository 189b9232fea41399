"""Tell the documentation that a docstring's ``Example:`` is a section of code."""

from __future__ import annotations

import re

from griffe import Extension, Object


class Sections(Extension):
    """Rename ``Example:``, as the docstrings write it, to the ``Examples:`` that griffe knows."""

    def on_object(self, *, obj: Object, **options: object) -> None:
        """Rewrite one docstring."""
        del options
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
