"""What is said of the tracks, and the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan

from reproductions.common.result import Statement
from reproductions.geodesics.measures import Mean, Measured, mean
from reproductions.geodesics.networks import IDENTITY, KINDS, PLAIN, RESIDUAL
from reproductions.geodesics.training import Price, Trained
from reproductions.geodesics.transformer import Tokens

PLANE = "spiral"
_MARGIN = 0.75  # of √K, below which ResNets' scores are
_QUANTITIES: dict[str, Callable[[Measured], float]] = {
    "line-shape score": lambda m: m.score,
    "line-shape score / √K": lambda m: m.straight,
    "line-shape score, layers shuffled": lambda m: m.shuffled,
    "turning angle, rad": lambda m: m.angle,
    "transport score, cost": lambda m: m.cost,
    "transport score, match": lambda m: m.match,
    "transport score, gain": lambda m: m.gain,
    "displacement / spacing": lambda m: m.spacings,
    "kinetic energy / least": lambda m: m.energy,
    "length / distance": lambda m: m.length,
    "largest deviation / distance": lambda m: max(m.deviation),
}


@dataclass(frozen=True)
class Found:
    """Everything that was trained."""

    networks: Sequence[Trained]  # with weight decay
    priced: Sequence[Trained]  # ResNets with a price of kinetic energy
    tokens: dict[float, list[Tokens]]  # transformers, by decay

    def of(self, kind: str, *, images: bool = True) -> list[Trained]:
        """Return the networks of a kind that have learnt, for images or for the plane."""
        mine = (t for t in self.networks if t.kind == kind and (t.task != PLANE) == images)
        return [t for t in mine if t.learnt]

    @property
    def decays(self) -> list[float]:
        """The weights of the decay."""
        return sorted({t.price.decay for t in self.networks})

    def change(self, kind: str, measure: Callable[[Measured], float], *, images: bool) -> Mean:
        """Return how much the largest decay changes a quantity, network by network."""
        free, decayed = (
            [t for t in self.networks if t.kind == kind and t.price.decay == decay]
            for decay in (self.decays[0], self.decays[-1])
        )
        pairs = [
            measure(b.after) - measure(a.after)
            for a, b in zip(free, decayed, strict=True)
            if a.learnt and b.learnt and (a.task != PLANE) == images
        ]
        return mean(pairs)


def _straight(measured: Measured) -> float:
    return measured.straight


def _gain(measured: Measured) -> float:
    return measured.gain


def statements(found: Found) -> list[Statement]:
    """Return the statements: of line shapes, of transport, and of their controls."""
    return [
        _learnt(found),
        *_lines(found),
        *_transport(found),
        _priced(found),
        _tokens(found),
    ]


def _learnt(found: Found) -> Statement:
    least = min((t.accuracy, t.kind, t.depth, t.task) for t in found.networks if t.task != PLANE)
    idle = [t for t in found.networks if not t.learnt]
    kinds = sorted({f"{t.kind} of {t.depth} layers, {t.task}" for t in idle})
    return Statement(
        "every network for images names at least 60 % of unseen ones; others are left out",
        f"the least is {least[0]:.0%}, {least[1]} of {least[2]} layers on {least[3]}; left out: "
        f"{len(idle)} of {len(found.networks)} networks{''.join(f'; {kind}' for kind in kinds)}",
        holds=all(t.task == PLANE for t in idle),
    )


def _lines(found: Found) -> list[Statement]:
    """Return what is said of single tracks."""
    residual = _sorted(t.after.straight for t in found.of(RESIDUAL))
    before = _sorted(t.before.straight for t in found.of(RESIDUAL))
    plain = _sorted(t.after.straight for t in found.of(PLAIN))
    decayed = mean([t.after.straight for t in found.of(PLAIN) if t.price.decay == found.decays[-1]])
    plane, bent = (
        mean([t.after.straight for t in found.of(kind, images=False)]) for kind in (RESIDUAL, PLAIN)
    )
    controls = _sorted(t.after.shuffled / t.after.score for t in found.of(RESIDUAL))
    falls = found.change(RESIDUAL, _straight, images=True)
    still = found.change(PLAIN, _straight, images=True)
    identity = mean([t.after.straight for t in found.of(IDENTITY)])
    return [
        Statement(
            f"images: the line-shape score of every ResNet is at most {_MARGIN} √K, and above "
            f"that before training",
            f"{residual[0]:.2f} to {residual[-1]:.2f} √K; before, at least {before[0]:.2f} √K",
            holds=residual[-1] <= _MARGIN < before[0],
        ),
        Statement(
            "images: the same layers in a random order are less straight by a factor of 2",
            f"at least {controls[0]:.1f}",
            holds=controls[0] >= 2,
        ),
        Statement(
            "spiral: on average ResNets are straighter than plain networks",
            f"{plane} and {bent} √K",
            holds=plane.value < bent.value,
        ),
        _deep(found),
        Statement(
            "images: no plain network is straighter than √K (the first version of the source has "
            "lines for both kinds, its third for ResNets alone)",
            f"{plain[0]:.2f} to {plain[-1]:.2f} √K",
            holds=plain[0] >= 1,
        ),
        Statement(
            "images: plain networks that start near the identity do have lines: the start matters, "
            f"not the sum (on average at most {_MARGIN} √K)",
            f"{identity} √K",
            holds=identity.value <= _MARGIN,
        ),
        Statement(
            "images: weight decay makes tracks of ResNets straighter, by three standard errors",
            f"{falls} √K at decay {found.decays[-1]:g} against none",
            holds=falls.value < -3 * falls.error,
        ),
        Statement(
            "images: it leaves plain networks far from lines, on average above 1.5 √K",
            f"{decayed} √K at decay {found.decays[-1]:g}, a change of {still}",
            holds=decayed.value > 1.5,
        ),
    ]


def _sorted(values: Iterable[float]) -> list[float]:
    found = sorted(values)
    return found if found and not any(map(isnan, found)) else [nan]


def _deep(found: Found) -> Statement:
    """Return whether more layers are finer steps on the same lines."""
    decayed = [t for t in found.of(RESIDUAL) if t.price.decay == found.decays[-1]]
    ends = [choose(t.depth for t in found.networks) for choose in (min, max)]
    few, many = (mean([t.after.score for t in decayed if t.depth == depth]) for depth in ends)
    return Statement(
        "images: with the largest decay the score of ResNets grows with their depth by less than "
        "15 %, unlike √K: more layers are finer steps on the same lines",
        f"{few} with {ends[0]} layers, {many} with {ends[1]}",
        holds=many.value <= 1.15 * few.value,
    )


def _transport(found: Found) -> list[Statement]:
    """Return what is said of the clouds."""
    apart = _apart(found)
    cost = {k: mean([t.after.cost for t in found.of(k)]) for k in (RESIDUAL, PLAIN)}
    nearer = found.change(RESIDUAL, _gain, images=True)
    plane = found.change(RESIDUAL, _gain, images=False)
    identity = found.change(IDENTITY, _gain, images=True)
    length = {k: mean([t.after.length for t in found.of(k)]) for k in (RESIDUAL, PLAIN)}
    return [
        Statement(
            "images: ResNets are closer to optimal transport than plain networks (gain), for every "
            "task, depth and decay",
            f"by {apart[0]:.2f} to {apart[-1]:.2f}",
            holds=apart[0] > 0,
        ),
        Statement(
            "images: the cost score hardly tells them apart, for it saturates where features grow: "
            "means differ by less than 0.1",
            f"{cost[RESIDUAL]} and {cost[PLAIN]}",
            holds=abs(cost[RESIDUAL].value - cost[PLAIN].value) < 0.1,
        ),
        Statement(
            "images: weight decay brings ResNets closer to optimal transport, by three standard "
            "errors of the gain",
            f"{nearer} at decay {found.decays[-1]:g} against none; in the plane {plane}",
            holds=nearer.value > 3 * nearer.error,
        ),
        Statement(
            "images: it takes plain networks that start near the identity away from it, by two",
            f"{identity}",
            holds=identity.value < -2 * identity.error,
        ),
        Statement(
            "images: the clouds of ResNets take a shorter way, in W₂, than those of plain networks",
            f"{length[RESIDUAL]} and {length[PLAIN]} times the distance of the ends",
            holds=length[RESIDUAL].value < length[PLAIN].value,
        ),
    ]


def _apart(found: Found) -> list[float]:
    """Return by how much the mean gains of both kinds differ, cell by cell of the grid."""
    cells: dict[tuple[str, int, float], dict[str, list[float]]] = {}
    for kind in (RESIDUAL, PLAIN):
        for t in found.of(kind):
            cell = cells.setdefault((t.task, t.depth, t.price.decay), {})
            cell.setdefault(kind, []).append(t.after.gain)
    both = [cell for cell in cells.values() if len(cell) == 2]
    return _sorted(mean(cell[RESIDUAL]).value - mean(cell[PLAIN]).value for cell in both)


def _priced(found: Found) -> Statement:
    """Return the positive control: what asks for geodesics gets them."""
    least = {
        task: mean([t.after.energy for t in found.priced if t.task == task])
        for task in {t.task for t in found.priced}
    }
    depth = found.priced[0].depth
    decayed = {
        task: mean(
            [
                t.after.energy
                for t in found.of(RESIDUAL)
                if (t.task, t.depth, t.price.decay) == (task, depth, found.decays[-1])
            ]
        )
        for task in least
    }
    return Statement(
        "images: a price of kinetic energy itself brings ResNets closer to straight tracks of "
        "equal steps than the largest weight decay",
        "; ".join(f"{t}: {e} and {decayed[t]} times the least" for t, e in sorted(least.items())),
        holds=all(e.value < decayed[task].value for task, e in least.items()),
    )


def _tokens(found: Found) -> Statement:
    """Return what is said of a transformer."""
    shapes = [t for each in found.tokens.values() for t in each]
    before, after = (
        mean([float((s.score / s.random_walk).median()) for s in side])
        for side in ([t.before for t in shapes], [t.after for t in shapes])
    )
    right = mean([t.accuracy for t in shapes]).value
    return Statement(
        "transformer: training makes the tracks of tokens straighter, and straighter than √K",
        f"{before} √K before, {after} √K after, {right:.0%} right",
        holds=after.value < min(before.value, 1),
    )


def _name(price: Price) -> str:
    return f"energy {price.energy:g}" if price.energy else f"decay {price.decay:g}"


def numbers(found: Found) -> dict[str, float]:
    """Return means over runs, with standard errors, of every quantity."""
    groups: dict[str, list[Trained]] = {}
    for t in (*found.networks, *found.priced):
        name = f"{t.task}: {t.kind}: {t.depth} layers: {_name(t.price)}"
        groups.setdefault(name, []).append(t)
    measured: dict[str, float] = {}
    for name, every in groups.items():
        measured[f"{name}: right"] = mean([t.accuracy for t in every]).value
        for what, value in _QUANTITIES.items():
            its = mean([value(t.after) for t in every])
            measured |= {f"{name}: {what}": its.value, f"{name}: {what}, error": its.error}
    for kind in KINDS:
        untrained = [t.before.straight for t in found.of(kind)]
        measured[f"images: {kind}: before training: line-shape score / √K"] = mean(untrained).value
    for decay, each in found.tokens.items():
        ratios = [float((t.after.score / t.after.random_walk).median()) for t in each]
        measured[f"transformer: decay {decay:g}: line-shape score / √K"] = mean(ratios).value
        measured[f"transformer: decay {decay:g}: right"] = mean([t.accuracy for t in each]).value
    return measured
