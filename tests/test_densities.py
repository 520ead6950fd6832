"""Histogram, Empirical, KernelDensity and NearestNeighbours against enumeration, integrals, scipy and scikit-learn."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
import zoo
from torch.utils._python_dispatch import TorchDispatchMode

import genus
from genus import Binary, Dataset, Empirical, Histogram, Images, KernelDensity, NearestNeighbours, Reals, Tokens
from genus.data import examples_of
from genus.probability.incomplete_counts import Chain
from genus.probability.smoothing_kernels import SmoothingKernel

KERNELS = ("gaussian", "epanechnikov", "tophat")
SHAPES = [(k, p, c) for k in KERNELS for p in (False, True) for c in ("full", "diag") if not (p and c == "full")]
MAKE = np.random.default_rng(0)
X = MAKE.normal(size=(400, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 0.7, -0.4], [0.0, 0.0, 0.3]]) * [1, 5, 1] + [0, 10, -3]
Q = X[:60] + MAKE.normal(size=(60, 3)) * [0.5, 2, 0.3]


def kde(x=X, **options):
    return KernelDensity(**options).fit(x, progress=False)


def chi_square(drawn, p):
    """How many standard deviations the statistic of these counts lies above its mean."""
    drawn, p = np.asarray(drawn, dtype=float), np.asarray(p, dtype=float)
    n, often = drawn.sum(), p * drawn.sum() >= 5
    drawn, p = np.append(drawn[often], drawn[~often].sum()), np.append(p[often], p[~often].sum())
    statistic = ((drawn - n * p) ** 2 / np.maximum(n * p, 1e-12)).sum()
    return (statistic - (len(p) - 1)) / math.sqrt(2 * max(len(p) - 1, 1))


# ------------------------------------------------------------------------------------------------------ kernel density


@pytest.mark.parametrize("rule", ["scott", "silverman", 0.3])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_it_is_scipys_gaussian_kde(rule, d):
    from scipy.stats import gaussian_kde

    model = kde(X[:, :d], covariance_type="full", bandwidth=rule)
    np.testing.assert_allclose(model.score_samples(Q[:, :d]), gaussian_kde(X[:, :d].T, rule).logpdf(Q[:, :d].T), rtol=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_it_is_scikit_learns_kernel_density(kernel, d):
    from sklearn.neighbors import KernelDensity as Theirs

    ours = kde(X[:, :d], kernel=kernel, bandwidth=1.2, covariance_type="spherical").score_samples(Q[:, :d])
    theirs = Theirs(bandwidth=1.2, kernel=kernel, atol=0, rtol=1e-12).fit(X[:, :d]).score_samples(Q[:, :d])
    reached = theirs > -25  # beyond, scikit-learn's trees answer with their rounding errors
    np.testing.assert_allclose(ours[reached], theirs[reached], rtol=1e-9)
    assert reached.sum() > 30 and (ours[~reached] < -25).all()


@pytest.mark.parametrize("kernel, product, shape", SHAPES)
def test_densities_and_their_marginals_integrate_to_one(kernel, product, shape):
    model = kde(X[:50, :2], kernel=kernel, product=product, covariance_type=shape)
    a, b = torch.linspace(-6, 6, 401, dtype=torch.float64), torch.linspace(-20, 40, 401, dtype=torch.float64)
    cell = float((a[1] - a[0]) * (b[1] - b[0]))
    joint = model.log_prob(torch.cartesian_prod(a, b)).exp().reshape(401, 401)
    assert float(joint.sum() * cell) == pytest.approx(1, abs=3e-3)
    marginal = model.log_prob(torch.stack([torch.full_like(b, math.nan), b], 1)).exp()
    torch.testing.assert_close(marginal, joint.sum(0) * (a[1] - a[0]), rtol=1e-2, atol=3e-4)
    known = torch.tensor([[0.3, math.nan]], dtype=torch.float64)
    line = torch.stack([torch.full_like(b, 0.3), b], 1)
    conditional = model.conditional_log_prob(line, [0])
    assert float(conditional.exp().sum() * (b[1] - b[0])) == pytest.approx(1, abs=5e-3)
    torch.testing.assert_close(conditional, model.log_prob(line) - model.log_prob(known))


def test_a_product_kernel_is_the_product():
    model = kde(kernel="epanechnikov", product=True, bandwidth=1.5, covariance_type="spherical")
    u = (Q[:, None] - X[None]) / 1.5
    brute = np.log((0.75 / 1.5 * np.maximum(1 - u**2, 0)).prod(2).mean(1))
    np.testing.assert_allclose(model.score_samples(Q), brute, rtol=1e-9)


@pytest.mark.parametrize("kernel, product, shape", SHAPES)
def test_samples_and_completions_have_the_density_that_is_claimed(kernel, product, shape):
    model = kde(X[:60, :2], kernel=kernel, product=product, covariance_type=shape, bandwidth=0.5)
    n = 100_000
    edges = torch.linspace(-15, 35, 51, dtype=torch.float64)
    fine = torch.linspace(-15, 35, 5001, dtype=torch.float64)[:-1] + 0.005
    column = torch.stack([torch.full_like(fine, math.nan), fine], 1)
    line = torch.stack([torch.full_like(fine, 0.2), fine], 1)
    for drawn, log_p in (
        (model.sample(n, seed=1), model.log_prob(column)),
        (model.sample(n, given={0: 0.2}, seed=2), model.conditional_log_prob(line, [0])),
    ):
        cells = (log_p.exp() * 0.01).reshape(50, 100).sum(1).numpy()
        assert chi_square(np.histogram(drawn[:, 1], edges.numpy())[0], cells / cells.sum()) < 6


def test_the_bandwidth_makes_left_out_points_likeliest():
    points = torch.from_numpy(X[:, :2] / X[:, :2].std(0, ddof=1))
    model = kde(X[:, :2], bandwidth="likelihood")
    chosen = float(model.root[0]) / float((torch.from_numpy(X[:, 0]) / model.space.location_scale[1][0]).std())

    def left_out(h):
        log_k = -torch.cdist(points, points).square().fill_diagonal_(math.inf) / (2 * h * h)
        return float((log_k.logsumexp(1) - math.log(399 * 2 * math.pi * h * h)).mean())

    assert left_out(chosen) > max(left_out(chosen * 1.02), left_out(chosen / 1.02))
    own = torch.arange(400)
    ours = SmoothingKernel.named("gaussian", 2).log_sum(points / chosen, points / chosen, own).mean() - math.log(399 * chosen**2)
    assert float(ours) == pytest.approx(left_out(chosen), abs=1e-10)


def test_a_left_out_bandwidth_lets_every_point_be_reached():
    model = kde(X[:100], kernel="tophat", bandwidth="likelihood")
    u = model.points
    assert float(torch.cdist(u, u).fill_diagonal_(math.inf).amin(1).gt(1).double().mean()) < 0.03


def test_the_gradient_of_a_histogram_is_zero_and_not_absent():
    model = genus.Histogram(bins=4).fit(torch.randn(100, 2, dtype=torch.float64), progress=False)
    x = torch.tensor([[0.1, 0.2], [99.0, 0.0], [math.nan, 1.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model.log_prob(x)[[0, 2]].sum(), x)
    assert torch.equal(gradient, torch.zeros_like(x))


def test_tiles_and_precision():
    """More points than a tile, in an order that surprises the running maximum, from the middle to far outside."""
    make = torch.Generator().manual_seed(0)
    points = torch.randn(3000, 8, generator=make, dtype=torch.float64).mul(4).sort(0).values
    u = torch.cat([points[::40] + 0.3, points[:5] * 100])
    exact = (-torch.cdist(u, points, compute_mode="donot_use_mm_for_euclid_dist").square() / 2).logsumexp(1)
    exact = exact + SmoothingKernel.named("gaussian", 8).log_constant
    kernel = SmoothingKernel.named("gaussian", 8)
    torch.testing.assert_close(kernel.log_sum(points, u), exact, rtol=1e-11, atol=1e-9)
    for scale in (4, 1):  # near enough for float32, and too far
        single, same = (points / scale).float(), (u[:75] / scale).float()
        want = kernel.log_sum(single.double(), same.double())
        torch.testing.assert_close(kernel.log_sum(single, same).double(), want, rtol=0, atol=1e-4)  # of the density itself
    assert kernel.log_sum(points, u[:0]).shape == (0,)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return out


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
def test_there_is_never_a_number_for_every_pair(kernel):
    points = torch.randn(5000, 2, dtype=torch.float64)
    with Largest() as largest:
        SmoothingKernel.named(kernel, 2).log_sum(points, points)
    assert largest.numbers <= 2**19 < len(points) ** 2 / 40


@pytest.mark.parametrize("kernel, product", [("gaussian", False), ("epanechnikov", False), ("epanechnikov", True)])
def test_gradients_of_every_kernel(kernel, product):
    model = kde(kernel=kernel, product=product, bandwidth=1.5)
    x = torch.from_numpy(X[:3] + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(model.log_prob, (x,), eps=1e-6, atol=1e-5)
    assert torch.autograd.gradcheck(lambda x: model.conditional_log_prob(x, [0, 2]), (x,), eps=1e-6, atol=1e-5)


def test_the_digits():
    """Bandwidths in brightness, alike for all pixels; the golden number is that of h = 2.3."""
    from sklearn.datasets import load_digits

    space = Images(1, 8, 8, levels=17, layout="nhw")
    train, test = (examples_of(part, space=space) for part in np.split(load_digits().images.astype(np.uint8), [1437]))
    for bandwidth, shape, want in ((2.3, "spherical", -154.3), ("scott", "full", -131.6), ("scott", "diag", -138.5)):
        score = kde(train, bandwidth=bandwidth, covariance_type=shape).log_likelihood(test)
        assert score.mean == pytest.approx(want, abs=0.2) and score.kind == "lower bound"


def test_kernel_densities_refuse_what_they_cannot():
    with pytest.raises(ValueError, match="product kernels lie along the columns.*use 'diag'"):
        kde(kernel="tophat", product=True, covariance_type="full")
    with pytest.raises(ValueError, match="lie in fewer dimensions than they have columns; use 'diag'"):
        kde(np.c_[X, X[:, 0] + X[:, 1]], covariance_type="full")
    with pytest.raises(ValueError, match="one row"):
        kde(examples_of(torch.tensor([[1, 0]]), space=Binary(2)))
    with pytest.raises(ValueError, match="density is zero at the known values"):
        kde(kernel="tophat").sample(3, given={0: 99.0})
    with pytest.raises(ValueError, match=r"known=\[7\]"):
        kde().conditional_log_prob(X[:3], [7])
    with pytest.raises(ValueError, match="bandwidth"):
        KernelDensity(bandwidth=0.0)


def test_columns_are_known_by_name():
    frame = zoo.numbers()
    model = kde(frame)
    joint, some = model.log_prob(frame), model.conditional_log_prob(frame, ["width", "count"])
    rest = model.log_prob(torch.where(torch.tensor([False, True, False]), math.nan, model.space.encode(frame)))
    torch.testing.assert_close(some, joint - rest)


def holes(x, share=0.3, seed=0):
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


@pytest.mark.parametrize("kernel, product, shape", SHAPES)
def test_incomplete_points_come_near_the_density_of_the_whole(kernel, product, shape):
    """They beat the complete points alone; one that no bump reaches, and one of nothing, do no harm."""
    make = np.random.default_rng(3)
    middles = np.array([[0, 0, 0], [4, 4, 0], [4, -4, 3], [-4, 0, 3]])
    x, new = np.split(middles[make.integers(0, 4, 900)] + 0.5 * make.normal(size=(900, 3)), [600])
    holed = np.r_[holes(x, 0.4), [[9.0, np.nan, -20.0]], [[np.nan] * 3]]
    options = {"kernel": kernel, "product": product, "covariance_type": shape}
    model, alone = kde(holed, **options), kde(holed[~np.isnan(holed).any(1)], **options)
    assert len(model.points) == (~np.isnan(holed).all(1)).sum() and bool(model.points.isfinite().all())
    score = lambda m: float(m.log_prob(new).clamp_min(-12).mean())  # noqa: E731
    whole = score(kde(x, **options))
    assert 0 < whole - score(model) < 0.6 * (whole - score(alone))


@pytest.mark.parametrize("rule", ["scott", "silverman", "likelihood", 0.4])
def test_a_bandwidth_of_incomplete_points_is_near_that_of_the_whole(rule):
    x = holes(X, 0.25)
    chosen, want = (kde(part, bandwidth=rule).root for part in (x, X))
    torch.testing.assert_close(chosen, want, rtol=0.12, atol=0)


def test_drawn_values_are_keyed_by_the_seed_and_by_nothing_else():
    x = holes(X)
    one, same, other = (
        KernelDensity().fit(x, seed=seed, batch_size=size, progress=False).points for seed, size in ((0, None), (0, 40), (1, None))
    )
    assert torch.equal(one, same) and not torch.equal(one, other)
    known = torch.from_numpy(~np.isnan(x)[~np.isnan(x).all(1)])
    model = kde(x)
    back = model.points * model.root + model.centre
    location, scale = model.space.location_scale
    torch.testing.assert_close((back * scale + location)[known], torch.from_numpy(x[~np.isnan(x)]))  # what is known stays


def test_too_few_complete_points_are_refused():
    x = X[:20].copy()
    x[::2, 0], x[1::2, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match=r"only 0 of 20 rows are without missing values \(NaN\).*use GaussianMixture"):
        kde(x)
    x = np.c_[X[:20, :2]]
    x[2:, 1], x[:2, 0] = np.nan, 1.0
    with pytest.raises(ValueError, match="column 0 is constant in the rows without missing values.*'spherical'"):
        kde(x)
    assert bool(kde(x, covariance_type="spherical").points.isfinite().all())


# ----------------------------------------------------------------------------------------------------------- histogram


def histogram(data, **options):
    return Histogram(**options).fit(data, progress=False)


def points_of(levels):
    return torch.tensor(list(itertools.product(*map(range, levels))))


def bits(n=300):
    make = torch.Generator().manual_seed(0)
    chain = torch.rand(n, 6, generator=make) < 0.3
    chain[:, 1:] ^= chain[:, :-1]
    return chain.reshape(n, 2, 3).to(torch.uint8)


@pytest.mark.parametrize("bins", [1, 7])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_it_is_numpys_histogram(bins, d):
    model = histogram(X[:, :d], bins=bins, factorisation="joint", smoothing=0.0)
    density, edges = np.histogramdd(X[:, :d], bins, density=True)
    places = tuple(np.clip(np.searchsorted(e, X[:, i], side="right") - 1, 0, bins - 1) for i, e in enumerate(edges))
    np.testing.assert_allclose(np.exp(model.score_samples(X[:, :d])), density[places], rtol=1e-9)


@pytest.mark.parametrize(("dtype", "low", "high"), [("int8", 120, 128), ("int8", -128, 128), ("uint8", 250, 256), ("uint8", 3, 9)])
def test_histograms_end_where_the_dtype_does(dtype, low, high):
    """What lies beyond wraps round: there is no such cell, nor any probability in it."""
    ends = np.iinfo(dtype)
    model = histogram(np.random.default_rng(0).integers(low, high, (50, 1)).astype(dtype), smoothing=5.0)
    everything = np.arange(ends.min, ends.max + 1).astype(dtype)[:, None]
    assert float(model.log_prob(everything).exp().sum()) == pytest.approx(1, abs=1e-12)
    drawn = model.sample(2000, seed=0)
    assert bool(model.log_prob(drawn).isfinite().all())


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_probabilities_are_shares(factorisation, smoothing):
    x = bits()
    model = histogram(examples_of(x), factorisation=factorisation, smoothing=smoothing)
    points = points_of([2] * 6)
    p = model.log_prob(points.reshape(-1, 2, 3)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    flat, a = x.flatten(1).long(), smoothing

    def share(columns, given=()):
        """Of each point's values in these columns among the rows that agree with it in the given ones."""
        agree = (flat[:, None, given] == points[None, :, given]).all(2) if given else torch.ones(300, 64, dtype=torch.bool)
        hits = agree & (flat[:, None, columns] == points[None, :, columns]).all(2)
        return (hits.sum(0) + a / 2 ** len(columns)) / (agree.sum(0) + a)

    want = {
        "joint": lambda: share(list(range(6))),
        "independent": lambda: math.prod(share([i]) for i in range(6)),
        "markov": lambda: share([0]) * math.prod(share([i], [i - 1]) for i in range(1, 6)),
    }[factorisation]()
    torch.testing.assert_close(p, want.double())


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
def test_histograms_sample_and_complete_what_they_score(factorisation):
    model = histogram(examples_of(bits()), factorisation=factorisation)
    points = points_of([2] * 6)
    p = model.log_prob(points.reshape(-1, 2, 3)).exp()
    code = 2 ** torch.arange(5, -1, -1)
    n = 100_000

    def counts(drawn):
        return np.bincount((drawn.flatten(1).long() * code).sum(1), minlength=64)

    assert chi_square(counts(model.sample(n, seed=0)), p) < 6
    for known in ({1: 1, 4: 0}, {5: 1}, {0: 0, 1: 1, 2: 1, 3: 0, 4: 1, 5: 0}):
        agree = torch.stack([points[:, i] == v for i, v in known.items()]).all(0)
        row = torch.full((1, 6), math.nan)
        for place, value in known.items():
            row[0, place] = value
        drawn = model.fill(row.expand(n, 6).reshape(n, 2, 3))
        assert drawn.dtype == torch.uint8
        assert chi_square(counts(drawn), torch.where(agree, p, 0.0) / p[agree].sum()) < 6


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
def test_a_table_of_everything(factorisation):
    """Categories, booleans, few and many whole numbers: probabilities. Real numbers: a density. Together one."""
    make = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "town": make.choice(["a", "b", "c"], 500),
            "old": make.random(500) < 0.3,
            "children": make.poisson(1.0, 500),
            "salary": (make.gamma(2, 400, 500)).astype(int),
        }
    )
    model = histogram(frame, factorisation=factorisation, bins=6)
    town, old, children, salary = model.space.columns
    spans = [[0, 1, 2], [0, 1], range(int(children.low), int(children.high) + 1), range(int(salary.low), int(salary.high) + 1)]
    total = sum(float(model.log_prob(part).exp().sum()) for part in torch.cartesian_prod(*map(torch.tensor, spans)).split(50_000))
    assert total == pytest.approx(1, abs=1e-9)
    assert model.log_prob(torch.tensor([[0, 0, 0, salary.high + 1]])).item() == -math.inf
    filled = model.sample(200, given={"town": "b", "salary": 300})
    assert (filled["town"] == "b").all() and (filled["salary"] == 300).all() and filled["children"].nunique() > 1
    assert list(model.sample(5).dtypes) == list(frame.dtypes)


def holed_table(n=500, share=0.3):
    """Columns of 2, 3, 2 and 2 values, each leaning on the one before; and every cell there is."""
    make = np.random.default_rng(2)
    levels, columns = (2, 3, 2, 2), [make.integers(0, 2, n)]
    for k in levels[1:]:
        columns.append((columns[-1] + (make.random(n) < 0.3) + k * (make.random(n) < 0.1)) % k)
    codes = np.stack(columns, 1).astype(float)
    return pd.DataFrame(holes(codes, share), columns=list("abcd")), points_of(levels).numpy(), levels


def agreement(frame, cells):
    """(n, cells) whether a row may be that cell."""
    codes = frame.to_numpy()
    return (np.isnan(codes)[:, None] | (codes[:, None] == cells)).all(2).astype(float)


def climbed(frame, cells, levels, factorisation, smoothing, starts):
    """The greatest log L of what is known and its log prior, searched from some logits; and p of every cell there."""
    agrees = torch.from_numpy(agreement(frame, cells))
    cells = torch.from_numpy(cells)
    if factorisation == "joint":
        shapes, places = [(1, len(cells))], [(torch.zeros(len(cells), dtype=torch.int64), torch.arange(len(cells)))]
    else:
        before = [torch.zeros(len(cells), dtype=torch.int64), *cells.T[:-1]]
        if factorisation == "independent":
            before = [torch.zeros_like(b) for b in before]
        shapes = [(1 if factorisation == "independent" or not i else levels[i - 1], k) for i, k in enumerate(levels)]
        places = list(zip(before, cells.T))
    sizes = [a * b for a, b in shapes]

    def objective(logits):
        logits = torch.from_numpy(logits).requires_grad_()
        tables = [part.reshape(shape).log_softmax(1) for part, shape in zip(logits.split(sizes), shapes)]
        p = sum(table[place] for table, place in zip(tables, places)).exp()
        value = -(agrees @ p).log().sum() - sum(smoothing / shape[1] * table.sum() for table, shape in zip(tables, shapes))
        (slope,) = torch.autograd.grad(value, logits)
        return value.item(), slope.numpy(), p.detach()

    from scipy.optimize import minimize

    found = [minimize(lambda v: objective(v)[:2], v, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-7})
             for v in starts(sum(sizes))]  # fmt: skip
    best = min(found, key=lambda f: f.fun)
    return best.fun, objective(best.x)[2].numpy(), lambda p: objective(p)[0]


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_incomplete_points_are_learned_by_maximum_likelihood(factorisation, smoothing):
    """Against a search of the greatest likelihood; scores are sums over every cell that agrees with a row."""
    frame, cells, levels = holed_table()
    model = histogram(frame, factorisation=factorisation, smoothing=smoothing)
    make = np.random.default_rng(0)
    value, p, objective = climbed(frame, cells, levels, factorisation, smoothing, lambda k: [np.zeros(k), make.normal(size=k)])
    ours = model.log_prob(torch.from_numpy(cells)).exp().numpy()
    np.testing.assert_allclose(ours, p, atol=3e-5)
    assert objective(np.maximum(model.log_p.numpy(), -50)) <= value + 1e-5
    np.testing.assert_allclose(model.score_samples(frame), np.log(agreement(frame, cells) @ ours), atol=1e-12)
    parts = Histogram(factorisation=factorisation, smoothing=smoothing).fit(frame, batch_size=17, progress=False)
    assert zoo.same_state(zoo.state_of(parts), zoo.state_of(model))


def test_the_log_likelihood_of_a_chain_is_that_of_its_rows_and_em_never_lowers_it():
    frame, cells, levels = holed_table(60, 0.5)
    agrees, codes = agreement(frame, cells), torch.tensor(frame.fillna(-1).to_numpy()).long()
    chain = Chain(levels)
    log_likelihood = chain.log_likelihood(chain.count(codes).double())
    p, before = torch.cat([torch.full((a * b,), 1 / b, dtype=torch.float64) for a, b in zip([1, *levels], levels)]), -math.inf
    for _ in range(20):
        tables = list(chain.tables(p))
        each = tables[0][0, cells[:, 0]] * math.prod(tables[i][cells[:, i - 1], cells[:, i]] for i in range(1, 4))
        value = float(log_likelihood(p))
        assert value == pytest.approx(float(np.log(agrees @ each.numpy()).sum()), abs=1e-9) and value >= before - 1e-9
        before, p = value, p.requires_grad_()
        used = (p * torch.autograd.grad(log_likelihood(p), p)[0]).detach()
        p = torch.cat([(t / t.sum(1, keepdim=True)).flatten() for t in chain.tables(used)])


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
def test_incomplete_points_come_near_the_histogram_of_the_whole(factorisation):
    """Missing at random, of real numbers: the tables with holes are near those without, on the very same grid."""
    x = np.cumsum(np.random.default_rng(4).normal(size=(20_000, 3)), 1).clip(-3, 3)
    corners = np.array([[-3.0] * 3, [3.0] * 3])
    holed, whole = (histogram(np.r_[part, corners], factorisation=factorisation, bins=4) for part in (holes(x), x))
    assert torch.equal(holed.low, whole.low) and torch.equal(holed.width, whole.width)
    difference = (holed.log_prob(x[:2000]) - whole.log_prob(x[:2000])).mean()
    assert abs(float(difference)) < 0.01
    some = holes(x[:300], 0.4, seed=1)
    filled = holed.complete(torch.from_numpy(some))
    assert not bool(filled.isnan().any()) and np.array_equal(filled.numpy()[~np.isnan(some)], some[~np.isnan(some)])


@pytest.mark.parametrize("factorisation", ["joint", "independent", "markov"])
def test_marginals_of_a_histogram_are_its_sums(factorisation):
    """Of a grid of real numbers: the density of one column is the integral over the others."""
    model = histogram(X[:, :2], factorisation=factorisation, bins=5)
    wide, cells = (model.high - model.low)[1:], model.width[1:]
    centres = torch.cat([model.low[1:] - wide / 2, model.low[1] + cells * (torch.arange(5) + 0.5), model.high[1:] + wide / 2])
    volumes = torch.cat([wide, cells.expand(5), wide])
    a = torch.from_numpy(Q[:20, 0])
    joint = model.log_prob(torch.cartesian_prod(a, centres)).exp().reshape(20, 7)
    ours = model.log_prob(torch.stack([a, torch.full_like(a, math.nan)], 1)).exp()
    torch.testing.assert_close(ours, joint @ volumes)


def test_too_many_things_to_know_are_refused():
    x = np.where(np.random.default_rng(0).random((50, 6)) < 0.1, np.nan, np.random.default_rng(1).normal(size=(50, 6)))
    with pytest.raises(ValueError, match=r"'joint' needs some 1e7 cells for data with missing values.*'independent'"):
        histogram(x, factorisation="joint", bins=14)


def test_what_the_data_missed_is_not_impossible():
    x = torch.from_numpy(X[:, :1])
    model = histogram(x)
    low, high = float(x.min()), float(x.max())
    wide = high - low
    inside, outside = (
        model.log_prob(torch.tensor([[high], [high + 0.9 * wide]])),
        model.log_prob(torch.tensor([[low - 1.1 * wide]])),
    )
    assert bool(inside.isfinite().all()) and outside.item() == -math.inf
    grid = torch.linspace(low - 1.2 * wide, high + 1.2 * wide, 200_001, dtype=torch.float64)[:, None]
    assert float(model.log_prob(grid).exp().sum() * (grid[1] - grid[0])) == pytest.approx(1, abs=1e-4)


def test_whole_numbers_of_unknown_range():
    x = torch.randint(-3, 4, (200, 2), generator=torch.Generator().manual_seed(0))
    model = histogram(x, factorisation="markov")
    every = torch.cartesian_prod(torch.arange(-10, 11), torch.arange(-10, 11))
    assert float(model.log_prob(every).exp().sum()) == pytest.approx(1, abs=1e-12)
    assert float(model.log_prob(torch.tensor([[0, 0]])).exp()) > 0.005


def test_pictures_of_many_pixels():
    """28 x 28 bits: what a pixel is follows the one before it; a table of all pictures is refused."""
    make = torch.Generator().manual_seed(0)
    x = ((torch.rand(300, 1, 28, 28, generator=make) < 0.1).int().cumsum(3) % 2).to(torch.uint8)
    data = Dataset.of(x, seed=0)
    alone, chain = histogram(data, factorisation="independent"), histogram(data)
    assert chain.log_likelihood(data.test).mean > alone.log_likelihood(data.test).mean + 50
    assert chain.sample(3).shape == (3, 1, 28, 28)
    with pytest.raises(ValueError, match="factorisation='joint' needs some 1e236 cells.*'independent'"):
        histogram(data, factorisation="joint")


def test_binarised_digits_of_independent_pixels():
    from sklearn.datasets import load_digits

    x = torch.from_numpy((load_digits().data >= 8).astype(np.uint8))
    assert histogram(x[:1437], factorisation="independent").score(x[1437:]) == pytest.approx(-24.80, abs=0.005)


@pytest.mark.parametrize("data", [X, zoo.table()], ids=["reals", "table"])
def test_histograms_of_a_stream_are_those_of_the_whole(data):
    one, many = (Histogram().fit(data, batch_size=size, progress=False) for size in (None, 17))
    assert zoo.same_state(zoo.state_of(one), zoo.state_of(many))


def test_points_that_are_single_numbers():
    x = np.random.default_rng(0).normal(size=50)
    model, wide = Histogram().fit(x), Histogram().fit(x[:, None])
    np.testing.assert_allclose(model.score_samples(x), wide.score_samples(x[:, None]))
    assert model.sample(3).shape == (3,)
    near, broad = genus.NearestNeighbours().fit(x), genus.NearestNeighbours().fit(x[:, None])
    np.testing.assert_allclose(near.score_samples(x), broad.score_samples(x[:, None]))
    assert len(genus.compare([Histogram()], x, progress=False).frame) == 1


def test_a_table_of_one_column_is_saved(tmp_path):
    """Its buffers are views whose only number has a stride of two."""
    frame = pd.DataFrame({"t": [2**40 + 7 * i for i in range(50)]})
    model = Histogram().fit(frame, progress=False)
    model.save(tmp_path)
    assert genus.load_model(tmp_path).score(frame) == model.score(frame)


def test_a_density_of_pictures_takes_them_as_they_were():
    pictures = zoo.digits()[:40]
    model = genus.Gaussian().fit(examples_of(pictures, space=Images(1, 8, 8, levels=17, layout="nhw")))
    assert model.sample(3).shape == pictures[:3].shape
    assert torch.equal(model.log_prob(pictures), model.log_prob(pictures[:, None]))


def test_impossible_values_are_refused():
    model = histogram(examples_of(bits()), smoothing=0.0)
    with pytest.raises(ValueError, match="given: row 0 holds known values of probability zero"):
        histogram(X, factorisation="independent").sample(2, given={0: 1e6})
    constant = histogram(examples_of(torch.zeros(9, 2, dtype=torch.uint8), space=Binary(2)), smoothing=0.0)
    with pytest.raises(ValueError, match="known values of probability zero"):
        constant.sample(2, given={0: 1})
    assert model.sample(2, given={0: 1}).shape == (2, 2, 3)


# ----------------------------------------------------------------------------------------------- the data themselves


def test_the_empirical_distribution_draws_the_data_alike():
    x = torch.arange(10.0)[:, None]
    drawn = Empirical().fit(x).sample(100_000, seed=0)
    assert chi_square(torch.bincount(drawn[:, 0].long(), minlength=10), np.full(10, 0.1)) < 6
    words = Empirical().fit(["a", "bcd", ""], progress=False)
    assert set(words.sample(50)) == {"a", "bcd", ""}
    frame = zoo.table(missing=True)
    model = Empirical().fit(frame)
    seen, drawn = ({tuple(map(str, row)) for row in model.space.encode(part).tolist()} for part in (frame, model.sample(50)))
    assert drawn <= seen and any("nan" in row for row in drawn)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("k", [1, 5])
def test_scores_are_scikit_learns_distances(k, algorithm):
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbours(n_neighbors=k).fit(X)
    z, q = ((part - X.mean(0)) / X.std(0) for part in (X, Q))
    distances, _ = NearestNeighbors(n_neighbors=k, algorithm=algorithm).fit(z).kneighbors(q)
    np.testing.assert_allclose(-model.score_samples(Q), distances[:, -1], rtol=1e-5)
    assert model.score(Q) == pytest.approx(-distances[:, -1].mean(), rel=1e-5)
    assert not hasattr(model, "log_likelihood") and not hasattr(model, "log_prob")
    with pytest.raises(ValueError, match="n_neighbors=401, but the data have 400 rows"):
        NearestNeighbours(n_neighbors=401).fit(X)


def test_the_tree_follows_the_points():
    model = NearestNeighbours(n_neighbors=1).fit(X)
    before = model.score_samples(Q)
    after = model.fit(X[:200]).score_samples(Q)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, NearestNeighbours(n_neighbors=1).fit(X[:200]).score_samples(Q))
    with torch.no_grad():
        model.points.add_(100.0)
    assert (model.score_samples(Q) < after - 50).all()


def test_genus_score_says_that_it_is_a_score(tmp_path, capsys, monkeypatch):
    from genus.cli import main

    monkeypatch.chdir(tmp_path)
    np.save("train.npy", X), np.save("new.npy", Q)
    assert main(["fit", "nearest-neighbours", "--data", "train.npy", "--split", "1,0,0", "--run", "near"]) == 0
    assert main(["score", "near", "--data", "new.npy", "-o", "scores.csv"]) == 0
    expected = NearestNeighbours().fit(X).score_samples(Q)
    frame = pd.read_csv("scores.csv")
    assert list(frame.columns) == ["score", "kind"] and set(frame["kind"]) == {"score"}
    np.testing.assert_allclose(frame["score"], expected, rtol=1e-6)
    capsys.readouterr()
    assert main(["score", "near", "--data", "new.npy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "score" and found["n"] == 60 and found["mean"] == pytest.approx(expected.mean(), rel=1e-6)
    assert main(["score", "near", "--data", "new.npy", "--samples", "3"]) == 2


# ---------------------------------------------------------------------------------------------------- damaged files

DAMAGE = {
    "a point that is no number": (lambda: kde(), "points", lambda t: t.fill_(math.nan)),
    "a width below zero": (lambda: kde(), "root", lambda t: t.neg_()),
    "probabilities of more than one": (lambda: histogram(X), "log_p", lambda t: t.add_(1)),
    "a probability that is no number": (lambda: histogram(X), "log_p", lambda t: t.fill_(math.nan)),
    "another grid": (lambda: histogram(X), "width", lambda t: t.div_(2)),
    "an axis of another space": (lambda: histogram(examples_of(bits())), "low", lambda t: t.sub_(4)),
    "a category there is not": (lambda: Empirical().fit(zoo.table()), "values", lambda t: t[:, 2].fill_(7)),
    "a negative category": (lambda: Empirical().fit(zoo.table()), "values", lambda t: t[:, 2].fill_(-1)),
    "a token there is not": (lambda: Empirical().fit(["ab", "b"]), "values", lambda t: t.fill_(9)),
    "offsets that go back": (lambda: Empirical().fit(["ab", "b"]), "offsets", lambda t: t[1].fill_(99)),
    "a neighbour nowhere": (lambda: NearestNeighbours().fit(X), "points", lambda t: t.fill_(math.inf)),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_files_are_refused(what, tmp_path):
    make, name, damage = DAMAGE[what]
    model = make()
    damage(model.get_buffer(name))
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="the file is damaged"):
        genus.load_model(tmp_path / "model")


def test_tokens_and_reals_of_one_length():
    tokens = histogram(examples_of(zoo.tokens(), space=Tokens(3, length=4)), factorisation="markov")
    assert float(tokens.log_prob(points_of([3] * 4)).exp().sum()) == pytest.approx(1, abs=1e-12)
    assert tokens.sample(5).dtype == torch.int64
    assert histogram(examples_of(zoo.walks(), space=genus.Sequence(Reals(2), length=4))).sample(3).shape == (3, 4, 2)


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov", "tophat"])
def test_bumps_far_apart_lose_no_distance(kernel):
    """|u|^2 - 2 u'p + |p|^2 would have no digit left at 1e9 widths from the middle."""
    from sklearn.neighbors import KernelDensity as Peer

    near = np.random.default_rng(0).normal(size=(300, 2))
    points = np.vstack([near, near[:3] + 1e11])
    asked = near[:20] + 0.1
    model = KernelDensity(bandwidth=0.5, kernel=kernel, covariance_type="spherical").fit(points)
    expected = Peer(bandwidth=0.5, kernel=kernel).fit(points).score_samples(asked)
    np.testing.assert_allclose(model.score_samples(asked), expected, atol=1e-4)
    x = torch.from_numpy(asked).requires_grad_()
    if kernel == "gaussian":
        np.testing.assert_allclose(model.log_prob(x).detach().numpy(), expected, atol=1e-4)


def test_the_likeliest_bandwidth_of_clusters_far_apart_is_that_of_one():
    cluster = np.random.default_rng(0).normal(size=100) * 0.01
    found = []
    for apart in (1, 100):
        model = KernelDensity(bandwidth="likelihood").fit(np.concatenate([cluster, cluster + apart])[:, None])
        found.append(float(model.root[0]) * float(model.fitted_space.location_scale[1][0]))
    assert found[1] == pytest.approx(found[0], rel=0.02) and 0.0005 < found[0] < 0.005
