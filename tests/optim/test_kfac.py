"""K-FAC: blocks of the Fisher matrix for one sample, and else those of its definition."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import darboux as dx
from tests.optim.dense_fisher import FISHER, as_matrix, entries, part

DOUBLE = torch.float64


def constrained(layer, constraint):
    parametrize.register_parametrization(layer, "weight", constraint)
    return layer


LAYERS = {
    "Linear": lambda: nn.Linear(4, 4),
    "without a bias": lambda: nn.Linear(4, 4, bias=False),
    "Dense": lambda: dx.linear.Dense(4, 4),
    "cayley of torch": lambda: parametrizations.orthogonal(
        nn.Linear(4, 4), orthogonal_map="cayley"
    ),
    "exponential of torch": lambda: parametrizations.orthogonal(
        nn.Linear(4, 4), orthogonal_map="matrix_exp"
    ),
    "householder of torch": lambda: parametrizations.orthogonal(
        nn.Linear(4, 4), orthogonal_map="householder"
    ),
    "Orthogonal": lambda: constrained(nn.Linear(4, 4), dx.linear.Orthogonal()),
    "tall Orthogonal": lambda: constrained(dx.linear.Dense(4, 6), dx.linear.Orthogonal("cayley")),
    "Spectral": lambda: constrained(nn.Linear(4, 4), dx.linear.Spectral(norm=0.3)),
    "Spectral that does not act": lambda: constrained(nn.Linear(4, 4), dx.linear.Spectral(norm=9)),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(4, 4)),
    "LowRank": lambda: constrained(nn.Linear(4, 4), dx.linear.LowRank(2)),
    "Skew": lambda: constrained(nn.Linear(4, 4), dx.linear.Skew()),
    "two constraints": lambda: constrained(
        constrained(nn.Linear(4, 4), dx.linear.Skew()), dx.linear.Spectral(norm=0.5)
    ),
    "a convolution as large as its image": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 4, 2), nn.Flatten()
    ),
    "a field": lambda: dx.Flow(
        [dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())],
        dx.integrators.Euler(),
    ),
}


def network(layer):
    """Return a layer between two others, with parameters where constraints act."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), layer, nn.Tanh(), nn.LazyLinear(3))
    model(torch.ones(1, 3))
    model = model.to(DOUBLE)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.4 * torch.randn_like(p)
    return model


@pytest.mark.parametrize("loss", FISHER)
@pytest.mark.parametrize("layer", LAYERS)
def test_for_one_sample_blocks_are_those_of_the_fisher_matrix(layer, loss):
    model, (criterion, fisher) = network(LAYERS[layer]()), FISHER[loss]
    x = torch.randn(1, 3, dtype=DOUBLE)
    kfac = dx.optim.KFAC(model, criterion(), strict=True)
    kfac.measure(x)
    dense = fisher(model, x)
    assert len({id(p) for block in kfac._blocks for p in block.parameters}) == len(
        list(model.parameters())
    )
    for block in kfac._blocks:
        expected = part(dense, model, block.parameters)
        assert float(expected.norm()) > 1e-6
        torch.testing.assert_close(as_matrix(block), expected, rtol=1e-8, atol=1e-12)


def test_torch_s_spectral_norm_once_its_iteration_has_converged():
    """It moves in each call, also in that of `measure`, which undoes it."""
    model = network(parametrizations.spectral_norm(nn.Linear(4, 4), n_power_iterations=100))
    x = torch.randn(1, 3, dtype=DOUBLE)
    for _ in range(10):
        model(x)
    buffers = [b.clone() for b in model.buffers()]
    kfac = dx.optim.KFAC(model, nn.MSELoss(), strict=True)
    kfac.measure(x)
    assert all(map(torch.equal, buffers, model.buffers()))
    dense = FISHER["squares"][1](model.eval(), x)
    for block in kfac._blocks:
        expected = part(dense, model, block.parameters)
        torch.testing.assert_close(as_matrix(block), expected, rtol=1e-6, atol=1e-9)


CONVOLUTIONS = {
    "1": lambda: (nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 9)),
    "2": lambda: (nn.Conv2d(2, 3, (3, 2), padding=(1, 0), dilation=(1, 2)), (2, 5, 6)),
    "same": lambda: (nn.Conv2d(2, 3, 3, padding="same", bias=False), (2, 4, 5)),
    "circular": lambda: (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 4, 5)),
    "3": lambda: (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (2, 3, 4, 3)),
    "Conv": lambda: (dx.linear.Conv(2, 3, kernel_size=3, dim=2), (2, 4, 5)),
    "spectral": lambda: (
        constrained(dx.linear.Conv(2, 3, kernel_size=3, dim=1), dx.linear.Spectral(norm=0.2)),
        (2, 7),
    ),
    "tokens": lambda: (nn.Linear(5, 3), (4, 5)),
    "orthogonal tokens": lambda: (parametrizations.orthogonal(nn.Linear(5, 3)), (4, 5)),
}


def factors_of(layer, head, x, sharing):
    """Return [J], A and G of a layer, whose inputs are read off by its images of unit kernels."""
    weight = layer.weight.detach()
    units = torch.eye(weight[0].numel(), dtype=DOUBLE).reshape(-1, *weight.shape[1:])
    if isinstance(layer, nn.Linear):
        rows = x.reshape(len(x), -1, x.shape[-1])
    elif isinstance(layer, dx.linear.Conv):
        kernel = dx.linear.Stencil(units, layer.stencil().origin, layer.padding_mode)
        rows = kernel.apply(x).flatten(2).mT
    else:
        rows = layer._conv_forward(x, units, None).flatten(2).mT
    if getattr(layer, "bias", None) is not None and not callable(layer.bias):
        rows = torch.cat([rows, torch.ones(*rows.shape[:2], 1, dtype=DOUBLE)], dim=2)
    y = layer(x).detach().requires_grad_()
    z = head(y)
    axis = -1 if isinstance(layer, nn.Linear) else 1
    slopes = [
        torch.autograd.grad(column.sum(), y, retain_graph=True)[0].movedim(axis, -1)
        for column in z.unbind(1)
    ]
    slopes = [g.reshape(len(x), -1, g.shape[-1]) for g in slopes]
    if sharing == "reduce":
        rows, slopes = rows.mean(1, keepdim=True), [g.sum(1, keepdim=True) for g in slopes]
    rows = rows.flatten(0, 1)
    outputs = sum(torch.einsum("nri,nrj->ij", g, g) for g in slopes) * 2 / z.numel()
    return rows.T @ rows / len(rows), outputs


@pytest.mark.parametrize("sharing", ["expand", "reduce"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_shared_weights_have_the_block_of_their_definition(name, sharing):
    layer, shape = CONVOLUTIONS[name]()
    layer = layer.to(DOUBLE)
    x = torch.randn(3, *shape, dtype=DOUBLE)
    head = nn.Sequential(nn.Tanh(), nn.Flatten(), nn.LazyLinear(2, dtype=DOUBLE))
    model = nn.Sequential(layer, head)
    model(x)
    head.requires_grad_(requires_grad=False)
    kfac = dx.optim.KFAC(
        model,
        nn.MSELoss(),
        sharing=sharing,
        damping=1e-3,
        momentum=0.0,
        lr=1.0,
        radius=1e9,
        tol=1e-12,
    )
    kfac.measure(x)
    inputs, outputs = factors_of(layer, head, x, sharing)
    (block,) = kfac._blocks

    def effective(v):
        named = dict(zip(names, v.split([p.numel() for p in block.parameters]), strict=True))
        shaped = {n: a.reshape(model.get_parameter(n).shape) for n, a in named.items()}

        class Read(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = model

            def forward(self):
                bias = getattr(layer, "bias", None)
                parts = [layer.weight.flatten(1)]
                parts += [] if bias is None or callable(bias) else [bias.unsqueeze(1)]
                return torch.cat(parts, dim=1).flatten()

        inside = {f"inner.{n}": a for n, a in shaped.items()}
        return torch.func.functional_call(Read(), inside, ())

    names = [n for p in block.parameters for n, q in model.named_parameters() if q is p]
    slope = torch.autograd.functional.jacobian(effective, entries(block.parameters))
    dense = slope.T @ torch.kron(outputs, inputs) @ slope
    torch.testing.assert_close(as_matrix(block), dense, rtol=1e-8, atol=1e-12)
    (model(x) - 1).square().mean().backward()
    before = entries(block.parameters)
    g = torch.cat([p.grad.flatten() for p in block.parameters])
    kfac.step()
    damped = dense + 1e-3 * torch.eye(len(dense), dtype=DOUBLE)
    step = before - entries(block.parameters)
    torch.testing.assert_close(step, torch.linalg.solve(damped, g), rtol=1e-8, atol=1e-10)


class Repeated(nn.Module):
    """One layer twice, and once transposed."""

    def __init__(self, transposed):
        super().__init__()
        self.layer = nn.Linear(4, 4, dtype=DOUBLE, bias=False)
        self.transposed = transposed

    def forward(self, x):
        y = self.layer(self.layer(x).tanh()).tanh()
        return y @ self.layer.weight if self.transposed else y


@pytest.mark.parametrize("transposed", [False, True])
def test_a_layer_that_is_repeated_has_one_pair_of_factors_for_each_weight_it_becomes(transposed):
    model, x = Repeated(transposed), torch.randn(5, 4, dtype=DOUBLE)
    kfac = dx.optim.KFAC(model, nn.MSELoss(), strict=True)
    kfac.measure(x)
    (block,) = kfac._blocks
    w = model.layer.weight
    first = F.linear(x, w)
    second = F.linear(first.tanh(), w)
    last = second.tanh()
    z = last @ w if transposed else last
    scale = 2 / z.numel()
    slopes = [torch.autograd.grad(c.sum(), (first, second), retain_graph=True) for c in z.unbind(1)]
    rows = torch.cat([x, first.tanh()]).detach()
    outputs = sum(g.T @ g for pair in slopes for g in pair)
    dense = scale * torch.kron(outputs, rows.T @ rows / len(rows))
    if transposed:  # z = W ᵀ y has the gradient 1 in each output
        flipped = torch.kron(last.T @ last / len(x), len(x) * torch.eye(4, dtype=DOUBLE))
        dense = dense + scale * flipped.detach()
    torch.testing.assert_close(as_matrix(block), dense, rtol=1e-8, atol=1e-12)


def test_gradient_fields_have_one_block_for_a_map_and_its_adjoint():
    linear = dx.linear.Dense(3, 5)
    field = dx.fields.GradientField(linear, dx.activations.Tanh(), metric="norm")
    flow = dx.Flow(field, dx.integrators.Euler(), steps=3, horizon=0.5).to(DOUBLE)
    kfac = dx.optim.KFAC(flow, nn.MSELoss(), strict=True)
    kfac.measure(torch.randn(2, 3, dtype=DOUBLE))
    assert [len(block.parameters) for block in kfac._blocks] == [2]


class Odd(nn.Module):
    """Layers that are affine maps, and some that are none."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.first = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(F.relu(self.norm(self.first(self.embedding(x))), inplace=True))


def test_other_layers_have_the_diagonal_and_one_warning():
    model = Odd().to(DOUBLE)
    x = torch.tensor([2])
    kfac = dx.optim.KFAC(
        model, nn.CrossEntropyLoss(), damping=1e-2, lr=1.0, momentum=0.0, radius=1e9, tol=1e-12
    )
    with pytest.warns(UserWarning, match=r"embedding.weight, norm.weight, norm.bias have another"):
        kfac.measure(x)
    kfac.measure(x)  # no second warning
    fisher = FISHER["cross-entropy"][1](model, x)
    for p in (model.embedding.weight, model.norm.weight, model.norm.bias):
        expected = part(fisher, model, [p]).diag().reshape(p.shape)
        torch.testing.assert_close(kfac.state[p]["squares"], expected, rtol=1e-10, atol=1e-14)
    F.cross_entropy(model(x), torch.tensor([1])).backward()
    p = model.norm.weight
    expected = p.detach() - p.grad / (part(fisher, model, [p]).diag() + 1e-2)
    kfac.step()
    torch.testing.assert_close(p.detach(), expected)
    strict = dx.optim.KFAC(model, nn.CrossEntropyLoss(), strict=True)
    with pytest.raises(ValueError, match=r"norm.bias have another use.*leave them out of params"):
        strict.measure(x)


OTHERS = {
    "groups": (lambda: nn.Conv1d(4, 4, 3, groups=2), (4, 5)),
    "transposed convolutions": (lambda: nn.ConvTranspose1d(4, 2, 3), (4, 5)),
    "attention": (lambda: Attention(), (3, 4)),
    "bilinear": (lambda: Square(), (4,)),
}


class Attention(nn.Module):
    """Attention of tokens to themselves."""

    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x)[0]


class Square(nn.Module):
    """A bilinear form of x with itself."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Bilinear(4, 4, 3)

    def forward(self, x):
        return self.inner(x, x)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_affine_map_of_one_weight_is_told(name):
    build, shape = OTHERS[name]
    model = build()
    kfac = dx.optim.KFAC(model, nn.MSELoss())
    with pytest.warns(UserWarning, match="have another use, for which the diagonal"):
        kfac.measure(torch.randn(2, *shape))
    inside = {p for block in kfac._blocks for p in block.parameters}
    assert all("squares" in kfac.state[p] for p in model.parameters() if p not in inside)


def test_a_parameter_with_two_uses_has_the_sum_of_both():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3, dtype=DOUBLE, bias=False)

        def forward(self, x):
            return self.layer(x) * self.layer.weight.diagonal()

    model, x = Both(), torch.randn(1, 3, dtype=DOUBLE)
    kfac = dx.optim.KFAC(
        model, nn.MSELoss(), damping=0.1, lr=1.0, momentum=0.0, radius=1e9, tol=1e-12
    )
    with pytest.warns(UserWarning, match="layer.weight have another use"):
        kfac.measure(x)
    (block,), w = kfac._blocks, model.layer.weight
    scale = 2 / 3
    other = scale * torch.diag(F.linear(x, w)[0].detach() ** 2)
    torch.testing.assert_close(kfac.state[w]["squares"], other, rtol=1e-10, atol=1e-14)
    model(x).square().sum().backward()
    whole = as_matrix(block) + torch.diag(other.flatten() + 0.1)
    expected = w.detach() - torch.linalg.solve(whole, w.grad.flatten()).reshape(3, 3)
    kfac.step()
    torch.testing.assert_close(w.detach(), expected, rtol=1e-8, atol=1e-10)


def test_random_signs_have_the_right_mean():
    model = network(nn.Linear(4, 4))
    x = torch.randn(3, 3, dtype=DOUBLE)
    exact = dx.optim.KFAC(model, nn.CrossEntropyLoss())
    exact.measure(x)
    drawn = dx.optim.KFAC(model, nn.CrossEntropyLoss(), samples=600)
    drawn.measure(x)
    for a, b in zip(exact._blocks, drawn._blocks, strict=True):
        torch.testing.assert_close(as_matrix(b), as_matrix(a), rtol=0.2, atol=3e-2)


def test_a_function_of_the_output_may_be_the_loss():
    model, x = network(nn.Linear(4, 4)), torch.randn(2, 3, dtype=DOUBLE)
    blocks = []
    for loss in (nn.CrossEntropyLoss(reduction="sum"), lambda z: z.logsumexp(1).sum()):
        kfac = dx.optim.KFAC(model, loss)
        kfac.measure(x)
        blocks.append([as_matrix(block) for block in kfac._blocks])
    torch.testing.assert_close(*blocks, rtol=1e-8, atol=1e-10)


def test_factors_are_means_that_forget():
    model = nn.Linear(2, 1, bias=False, dtype=DOUBLE)
    kfac = dx.optim.KFAC(model, nn.MSELoss(), decay=0.7)
    seen = [torch.full((1, 2), float(k), dtype=DOUBLE) for k in range(1, 6)]
    expected = None
    for k, x in enumerate(seen):
        kfac.measure(x)
        kept = min(1 - 1 / (k + 1), 0.7)
        expected = x.T @ x if expected is None else kept * expected + (1 - kept) * x.T @ x
    torch.testing.assert_close(kfac.state[model.weight]["inputs0"], expected)


def test_long_steps_are_cut_in_the_metric():
    model, x = network(nn.Linear(4, 4)), torch.randn(5, 3, dtype=DOUBLE)
    kfac = dx.optim.KFAC(
        model, nn.MSELoss(), lr=1.0, momentum=0.0, damping=1e-3, radius=0.1, tol=1e-12
    )
    kfac.measure(x)
    before = entries(model.parameters())
    (model(x) - 5).square().mean().backward()
    kfac.step()
    step = before - entries(model.parameters())
    length = torch.tensor(1e-3, dtype=DOUBLE) * step.dot(step)
    ends = torch.tensor([0, *(p.numel() for p in model.parameters())]).cumsum(0).tolist()
    pieces = {id(p): step[a:b] for p, a, b in zip(model.parameters(), ends, ends[1:], strict=False)}
    for block in kfac._blocks:
        v = torch.cat([pieces[id(p)] for p in block.parameters])
        length = length + v.dot(block.product(v))
    assert float(length.sqrt()) == pytest.approx(0.1)


def test_the_factors_are_those_of_a_peer():
    curvlinops = pytest.importorskip("curvlinops")
    model = network(nn.Linear(4, 4))
    x, labels = torch.randn(6, 3, dtype=DOUBLE), torch.randint(3, (6,))
    kfac = dx.optim.KFAC(model, nn.CrossEntropyLoss())
    kfac.measure(x)
    parameters = list(model.parameters())
    theirs = curvlinops.KFACLinearOperator(
        *(model, nn.CrossEntropyLoss(), parameters, [(x, labels)]),
        fisher_type="type-2",
        separate_weight_and_bias=False,
    )
    eye = torch.eye(sum(p.numel() for p in parameters), dtype=DOUBLE)
    dense = theirs @ eye
    for block in kfac._blocks:
        torch.testing.assert_close(
            as_matrix(block), part(dense, model, block.parameters), rtol=1e-8, atol=1e-10
        )
