"""The problems of DETEST, ẏ = f(t, y) for t from 0 to 20, in the shapes that they come in.

Hull, Enright, Fellen and Sedgwick 1972, Comparing numerical methods for ordinary differential
equations, SIAM J. Numer. Anal. 9.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

END = 20.0


@dataclass(frozen=True)
class Problem:
    """ẏ = f(t, y), y(0) = start, and the solution where it has a formula."""

    f: Callable[[Tensor, Tensor], Tensor]
    start: tuple
    exact: Callable[[float], object] | None = None

    def y0(self, dtype=torch.float64):
        return torch.tensor(self.start, dtype=dtype)


def entries(f):
    """Return (t, y) -> ẏ from a function of t and the entries of y."""
    return lambda t, y: torch.stack(f(t, *y))


def linear(matrix):
    return lambda t, y: matrix.to(y) @ y


def first(size):
    """Return (1, 0, ..., 0)."""
    return (1.0,) + (0.0,) * (size - 1)


def logistic(t, y):
    return y / 4 * (1 - y / 20)


def lotka_volterra(t, a, b):
    return 2 * (a - a * b), -(b - a * b)


def reaction(t, a, b, c):
    return -a, a - b * b, b * b


def torus(t, a, b, c):
    r = torch.hypot(a, b)
    return -b - a * c / r, a - b * c / r, a / r


def rigid_body(t, a, b, c):
    return b * c, -a * c, -0.51 * a * b


def chain(rates):
    """Return the matrix of a radioactive decay chain."""
    rates = torch.tensor([*rates, 0.0], dtype=torch.float64)
    return torch.diag(rates[:-1], -1) - torch.diag(rates)


def diffusion(size):
    ones = torch.ones(size, dtype=torch.float64)
    return torch.diag(ones[1:], 1) + torch.diag(ones[1:], -1) - 2 * torch.diag(ones)


MASSES = (
    0.000954786104043,
    0.000285583733151,
    0.0000437273164546,
    0.0000517759138449,
    2.77777777778e-6,
)
GRAVITY, SUN = 2.95912208286, 1.00000597682

POSITIONS = (
    (3.42947415189, 6.64145542550, 11.2630437207, -30.1552268759, -21.1238353380),
    (3.35386959711, 5.97156957878, 14.6952576794, 1.65699966404, 28.4465098142),
    (1.35494901715, 2.18231499728, 6.27960525067, 1.43785752721, 15.3882659679),
)
VELOCITIES = (
    (-0.557160570446, -0.415570776342, -0.325325669158, -0.0240476254170, -0.176860753121),
    (0.505696783289, 0.365682722812, 0.189706021964, -0.287659532608, -0.216393453025),
    (0.230578543901, 0.169143213293, 0.0877265322780, -0.117219543175, -0.0148647893090),
)  # fmt: skip


def planets(t, y):
    """The outer planets about the sun, (position or velocity, axis of space, body)."""
    position, velocity = y
    masses = torch.tensor(MASSES).to(y)
    pull = position / position.norm(dim=0) ** 3
    between = position[:, None] - position[:, :, None]  # to body j from body i, (3, i, j)
    distance = between.norm(dim=0) + torch.eye(5).to(y)
    others = between / distance**3 - pull[:, None] * (1 - torch.eye(5).to(y))
    return torch.stack([velocity, GRAVITY * ((others * masses).sum(dim=2) - (SUN + masses) * pull)])


def orbit(t, y):
    """Kepler's problem, (position or velocity, axis of the plane)."""
    return torch.stack([y[1], -y[0] / y[0].norm() ** 3])


def perihelion(e):
    return ((1 - e, 0.0), (0.0, math.sqrt((1 + e) / (1 - e))))


def kepler(e, t):
    """Return the solution of `orbit`, by Kepler's equation t = u - e sin u."""
    u = t
    for _ in range(100):
        u -= (u - e * math.sin(u) - t) / (1 - e * math.cos(u))
    b, rate = math.sqrt(1 - e * e), 1 / (1 - e * math.cos(u))
    position = (math.cos(u) - e, b * math.sin(u))
    return position, (-math.sin(u) * rate, b * math.cos(u) * rate)


def bessel(t, a, b):
    return b, -(b / (t + 1) + (1 - 0.25 / (t + 1) ** 2) * a)


def van_der_pol(t, a, b):
    return b, (1 - a * a) * b - a


def duffing(t, a, b):
    return b, a**3 / 6 - a + 2 * torch.sin(2.78535 * t)


def falling(t, a, b):
    return b, 0.032 - 0.4 * b * b


def pursuit(t, a, b):
    return b, torch.sqrt(1 + b * b) / (25 - t)


def pursued(t):
    """Return the solution of `pursuit`: ẏ = sinh log(25/(25 - t))."""
    left = 25 - t
    return (t * t - 50 * t) / 100 - 12.5 * math.log(left / 25), (25 / left - left / 25) / 2


DIFFUSED = torch.tensor([[-1.0, 1.0, 0.0], [1.0, -2.0, 1.0], [0.0, 1.0, -1.0]]).double()


PROBLEMS = {
    "A1": Problem(lambda t, y: -y, 1.0, lambda t: math.exp(-t)),
    "A2": Problem(lambda t, y: -(y**3) / 2, 1.0, lambda t: 1 / math.sqrt(1 + t)),
    "A3": Problem(lambda t, y: y * torch.cos(t), 1.0, lambda t: math.exp(math.sin(t))),
    "A4": Problem(logistic, 1.0, lambda t: 20 / (1 + 19 * math.exp(-t / 4))),
    "A5": Problem(lambda t, y: (y - t) / (y + t), 4.0),
    "B1": Problem(entries(lotka_volterra), (1.0, 3.0)),
    "B2": Problem(linear(DIFFUSED), (2.0, 0.0, 1.0)),
    "B3": Problem(entries(reaction), (1.0, 0.0, 0.0)),
    "B4": Problem(entries(torus), (3.0, 0.0, 0.0)),
    "B5": Problem(entries(rigid_body), (0.0, 1.0, 1.0)),
    "C1": Problem(linear(chain([1] * 9)), first(10)),
    "C2": Problem(linear(chain(range(1, 10))), first(10)),
    "C3": Problem(linear(diffusion(10)), first(10)),
    "C4": Problem(linear(diffusion(51)), first(51)),
    "C5": Problem(planets, (POSITIONS, VELOCITIES)),
    **{
        f"D{k}": Problem(orbit, perihelion(e), lambda t, e=e: kepler(e, t))
        for k, e in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=1)
    },
    "E1": Problem(entries(bessel), (0.6713967071418030, 0.09540051444747446)),
    "E2": Problem(entries(van_der_pol), (2.0, 0.0)),
    "E3": Problem(entries(duffing), (0.0, 0.0)),
    "E4": Problem(entries(falling), (30.0, 0.0)),
    "E5": Problem(entries(pursuit), (0.0, 0.0), pursued),
}  # fmt: skip


def solution(problem):
    """Return y(20), exact or to 1e-13."""
    y0 = problem.y0()
    if problem.exact is not None:
        return torch.tensor(problem.exact(END), dtype=torch.float64)

    def f(t, y):
        state = torch.from_numpy(y).reshape(y0.shape)
        return problem.f(torch.tensor(t, dtype=torch.float64), state).flatten().numpy()

    found = solve_ivp(f, (0, END), y0.flatten().numpy(), "DOP853", rtol=1e-13, atol=1e-15)
    return torch.from_numpy(found.y[:, -1]).reshape(y0.shape)
