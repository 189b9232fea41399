"""The symmetric compositions with names.

Found by Newton's method on the order conditions with 60 digits, from the published values.

Source: Yoshida 1990; Suzuki 1990; Suzuki and Umeno 1993; Kahan and Li 1997.
"""

from __future__ import annotations

from darboux.integrators.composition_coefficients import CompositionCoefficients

_TRIPLE = 1 / (2 - 2 ** (1 / 3))
_FRACTAL = 1 / (4 - 4 ** (1 / 3))

# order -> name -> the weights up to the middle, which makes the sum 1; the best-conditioned
# scheme, of the smallest error, comes first
_OUTER: dict[int, dict[str, tuple[float, ...]]] = {
    4: {"suzuki": (_FRACTAL, _FRACTAL), "yoshida": (_TRIPLE,)},
    6: {
        "kahan-li": (
            0.392161444007314139279,
            0.332599136789359438600,
            -0.706246172557639359810,
            0.0822135962935508002315,
        ),
        "yoshida": (
            0.784513610477557263819,
            0.235573213359358133685,
            -1.17767998417887100695,
        ),
    },
    8: {
        "kahan-li": (
            0.130202483088890080879,
            0.561162981775108384562,
            -0.389474962644847286408,
            0.158841906555155600896,
            -0.395903894133237577336,
            0.184539640978315707092,
            0.258374387686322047294,
            0.295011723609310298871,
        ),
        "suzuki-umeno": (
            0.741670364350612953448,
            -0.409100825800031593997,
            0.190754710296238379954,
            -0.573862471116082266656,
            0.299064181303655923844,
            0.334624918245298183785,
            0.315293092396766596632,
        ),
        "yoshida": (
            0.629030650210370799898,
            1.36934946416881770056,
            -1.06458714789182507054,
            1.66335809963350517976,
            -1.67896928259673847121,
            -1.55946803821470258821,
            0.311790812418466772552,
        ),
    },
}


def scheme_names(order: int) -> tuple[str, ...]:
    """Return the names of the schemes of an order, the best-conditioned first.

    Example:
        >>> scheme_names(6)
        ('kahan-li', 'yoshida')
    """
    return tuple(_OUTER.get(order, ()))


def scheme(order: int, name: str) -> CompositionCoefficients:
    """Return the coefficients of a scheme, "yoshida", "suzuki", "kahan-li" or "suzuki-umeno".

    Args:
        order: 4, 6 or 8.
        name: one of `scheme_names`.

    Raises:
        ValueError: naming the schemes that there are.

    Example:
        >>> len(scheme(8, "kahan-li").weights)
        17
    """
    if name not in scheme_names(order):
        known = "; ".join(f"{p}: {', '.join(names)}" for p, names in _OUTER.items())
        msg = (
            f"Composition: expected an order and the name of a scheme among {known}; got order "
            f"{order!r} and {name!r}. Use one of them, or CompositionCoefficients of your own."
        )
        raise ValueError(msg)
    outer = _OUTER[order][name]
    return CompositionCoefficients((*outer, 1 - 2 * sum(outer), *reversed(outer)), name)
