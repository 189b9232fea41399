"""Functions to minimise."""


def camelback(w):
    x, y = w.unbind()
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


def two(w, v):
    """A function of two parameters of different shapes."""
    return camelback(w) + v.cos().sum() + (v[0] * w[0]).square().sum() / 2
