"""The Gaussian kernel against scikit-learn, scipy and brute force."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits, load_iris
from sklearn.mixture import GaussianMixture

from genus.probability import gaussian_forms as forms
from genus.probability import gaussians as g
from genus.probability.gaussian_forms import KINDS
from genus.probability.kmeans import kmeans


def mixture(kind, K=3, d=4, seed=0):
    """A random mixture: log weights, means, covariances."""
    make = torch.Generator().manual_seed(seed)
    root = torch.randn(K, d, d, generator=make, dtype=torch.float64)
    full = root @ root.mT / d + 0.3 * torch.eye(d, dtype=torch.float64)
    diagonal = full.diagonal(dim1=1, dim2=2).clone()
    covariances = {"full": full, "tied": full[0], "diag": diagonal, "spherical": diagonal[:, 0].clone()}[kind]
    log_weights = torch.randn(K, generator=make, dtype=torch.float64).log_softmax(0)
    return log_weights, torch.randn(K, d, generator=make, dtype=torch.float64), covariances


def dense(covariances, kind, K, d):
    eye = torch.eye(d, dtype=torch.float64)
    return {
        "full": lambda c: c,
        "tied": lambda c: c.expand(K, d, d),
        "diag": torch.diag_embed,
        "spherical": lambda c: c[:, None, None] * eye,
    }[kind](covariances)


def rows(n=60, d=4, missing=0.0, seed=1):
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=make, dtype=torch.float64) * 1.5
    return x.masked_fill(torch.rand(n, d, generator=make) < missing, math.nan)


def log_likelihood(x, log_weights, means, covariances, kind):
    return (g.log_density(x, means, covariances, kind) + log_weights[:, None]).logsumexp(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_log_density_is_scipys_with_the_missing_columns_dropped(kind, missing, monkeypatch):
    _, means, covariances = mixture(kind)
    monkeypatch.setattr(forms, "TILE_BYTES", 1)  # several tiles of the least size
    x, full = rows(missing=missing), dense(covariances, kind, 3, 4)
    expected = torch.zeros(3, len(x), dtype=torch.float64)
    for k in range(3):
        for n, row in enumerate(x):
            seen = (~row.isnan()).nonzero()[:, 0].numpy()
            if len(seen):
                cov = full[k].numpy()[np.ix_(seen, seen)]
                expected[k, n] = multivariate_normal(means[k].numpy()[seen], cov).logpdf(row.numpy()[seen])
    torch.testing.assert_close(g.log_density(x, means, covariances, kind), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(g.quick_log_density(x, means, covariances, kind), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_log_density_is_differentiable(kind):
    _, means, covariances = mixture(kind, K=2, d=3)
    x = rows(5, 3)
    x[1, 0] = math.nan
    seen = ~x.isnan()

    def density(values, means, covariances):
        if kind in ("full", "tied"):
            covariances = (covariances + covariances.mT) / 2
        return g.log_density(torch.where(seen, values, math.nan), means, covariances, kind)

    inputs = [t.clone().requires_grad_() for t in (x.nan_to_num(), means, covariances)]
    assert torch.autograd.gradcheck(density, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_em_is_scikit_learns_iteration_by_iteration(kind):
    x = rows(400, 4) + torch.randint(3, (400, 1), generator=torch.Generator().manual_seed(0)) * 2.0
    log_weights, means, covariances = mixture(kind, seed=3)
    inverse = {
        "full": torch.linalg.inv,
        "tied": torch.linalg.inv,
        "diag": torch.reciprocal,
        "spherical": torch.reciprocal,
    }[kind](covariances)
    start = dict(weights_init=log_weights.exp().numpy(), means_init=means.numpy(), precisions_init=inverse.numpy())
    parameters = log_weights.exp(), means, covariances
    for step in range(1, 16):
        statistics = g.expected_statistics(x, parameters[0].log(), *parameters[1:], kind)
        parameters = g.maximise(statistics, kind, floor=0, support=0)
        if step in (1, 5, 15):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                peer = GaussianMixture(3, covariance_type=kind, max_iter=step, tol=0, reg_covar=0, **start)
                peer.fit(x.numpy())
            assert float(statistics["log_likelihood"]) / 400 == pytest.approx(peer.lower_bound_, abs=1e-9)
            for ours, theirs in zip(parameters, (peer.weights_, peer.means_, peer.covariances_)):
                np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-7, atol=1e-9)
            ours = log_likelihood(x, parameters[0].log(), *parameters[1:], kind).mean()
            assert float(ours) == pytest.approx(peer.score(x.numpy()), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("form", ["expanded", "centred", "scattered"])
def test_statistics_are_the_sums_they_are_said_to_be(kind, missing, form, monkeypatch):
    monkeypatch.setattr(g, "RARE", math.inf if form == "scattered" else 0)
    monkeypatch.setattr(forms, "TILE_BYTES", 1)  # several tiles of the least size
    if form == "centred":
        monkeypatch.setattr(forms, "WORST_ERROR", {})
    log_weights, means, covariances = mixture(kind)
    x, full = rows(50, missing=missing), dense(covariances, kind, 3, 4)
    found = g.expected_statistics(x, log_weights, means, covariances, kind)
    joint = g.log_density(x, means, covariances, kind) + log_weights[:, None]
    r = joint.softmax(0)
    first, second = torch.zeros(3, 4, dtype=torch.float64), torch.zeros(3, 4, 4, dtype=torch.float64)
    for n, row in enumerate(x):
        m, o = row.isnan().nonzero()[:, 0], (~row.isnan()).nonzero()[:, 0]
        for k in range(3):
            whole, spread = row.clone(), torch.zeros(4, 4, dtype=torch.float64)
            gain = full[k][m][:, o] @ torch.linalg.inv(full[k][o][:, o])
            whole[m] = means[k, m] + gain @ (row[o] - means[k, o])
            spread[m[:, None], m] = full[k][m][:, m] - gain @ full[k][o][:, m]
            first[k] += r[k, n] * whole
            second[k] += r[k, n] * (whole[:, None] * whole + spread)
    second = {"full": second, "tied": second.sum(0)}.get(kind, second.diagonal(dim1=1, dim2=2))
    expected = dict(log_likelihood=joint.logsumexp(0).sum(), count=r.sum(1), first=first, second=second)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    halves = [g.expected_statistics(part, log_weights, means, covariances, kind) for part in x.split(31)]
    halves = {name: halves[0][name] + halves[1][name] for name in found}
    torch.testing.assert_close(halves, expected, rtol=1e-10, atol=1e-10)
    given = g.weighted_statistics(x, r, means, covariances, kind)
    torch.testing.assert_close(given, {name: expected[name] for name in given}, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_em_never_lowers_the_likelihood_with_entries_missing(kind):
    x = rows(300, missing=0.3) + torch.randint(2, (300, 1), generator=torch.Generator().manual_seed(5)) * 3.0
    parameters, before = (torch.full((3,), 1 / 3, dtype=torch.float64), *mixture(kind)[1:]), -math.inf
    for _ in range(25):
        statistics = g.expected_statistics(x, parameters[0].log(), *parameters[1:], kind)
        now = float(statistics["log_likelihood"])
        direct = log_likelihood(x, parameters[0].log(), *parameters[1:], kind).sum()
        assert now == pytest.approx(float(direct), abs=1e-8)
        assert now >= before - 1e-9
        parameters, before = g.maximise(statistics, kind, floor=1e-6, support=0), now


@pytest.mark.parametrize("kind", KINDS)
def test_the_conditional_is_the_joint_over_the_marginal(kind):
    log_weights, means, covariances = mixture(kind)
    x, seen, missing = rows(7), torch.tensor([0, 3]), torch.tensor([1, 2])
    log_p, centres, left = g.condition(x, log_weights, means, covariances, kind, seen)
    marginal = log_likelihood(x[:, seen], log_weights, *g.restrict(means, covariances, kind, seen), kind)
    joint = log_likelihood(x, log_weights, means, covariances, kind)
    for n in range(len(x)):
        conditional = log_likelihood(x[n : n + 1, missing], log_p[:, n], centres[:, n], left, kind)
        assert float(conditional) == pytest.approx(float(joint[n] - marginal[n]), abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_moments_of_the_mixture(kind):
    torch.manual_seed(0)
    log_weights, means, covariances = mixture(kind)
    x, which = g.draw(60_000, log_weights, means, covariances, kind)
    full = dense(covariances, kind, 3, 4)
    for k in range(3):
        own = x[which == k]
        assert len(own) / 60_000 == pytest.approx(float(log_weights[k].exp()), abs=0.01)
        torch.testing.assert_close(own.mean(0), means[k], atol=0.08, rtol=0)
        torch.testing.assert_close(own.T.cov(), full[k], atol=0.12, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_filling_draws_from_the_conditional_and_leaves_the_rest(kind):
    torch.manual_seed(0)
    log_weights, means, covariances = mixture(kind)
    row = torch.tensor([[0.5, math.nan, math.nan, -1.0]], dtype=torch.float64)
    x = torch.cat([row.expand(20_000, -1), rows(3), torch.full((1, 4), math.nan, dtype=torch.float64)])
    drawn = g.fill(x, log_weights, means, covariances, kind)
    expected = g.fill(x, log_weights, means, covariances, kind, sample=False)
    assert not drawn.isnan().any() and torch.equal(drawn[~x.isnan()], x[~x.isnan()])
    torch.testing.assert_close(drawn[:20_000].mean(0), expected[0], atol=0.06, rtol=0)
    torch.testing.assert_close(expected[-1], log_weights.exp() @ means)
    log_p, centres, left = g.condition(row, log_weights, means, covariances, kind, torch.tensor([0, 3]))
    within = dense(left, kind, 3, 2)
    mean = expected[0, 1:3]
    offset = centres[:, 0] - mean
    cov = (log_p[:, 0].exp()[:, None, None] * (within + offset[:, :, None] * offset[:, None])).sum(0)
    torch.testing.assert_close(drawn[:20_000, 1:3].T.cov(), cov, atol=0.08, rtol=0.05)


def test_single_precision_falls_back_before_it_loses_digits():
    """A component with standard deviation 1e-4, three from the origin: [1, x, xx'] in float32 would lose everything."""
    torch.manual_seed(0)
    x = torch.cat([torch.randn(500, 2), 3 + 1e-3 * torch.randn(500, 2)])
    log_weights = torch.tensor([0.5, 0.5]).log()
    means, covariances = torch.tensor([[0.0, 0.0], [3.0, 3.0]]), torch.stack([torch.eye(2), 1e-6 * torch.eye(2)])
    single = g.expected_statistics(x, log_weights, means, covariances, "full")
    exact = g.expected_statistics(x.double(), log_weights.double(), means.double(), covariances.double(), "full")
    for name in exact:
        torch.testing.assert_close(single[name], exact[name], rtol=1e-6, atol=1e-5)
    narrow = g.maximise(single, "full", floor=1e-12, support=0)[2][1]
    torch.testing.assert_close(narrow, x[500:].double().T.cov(correction=0), rtol=1e-3, atol=1e-9)
    assert isinstance(g.choose_form(x, None, means, covariances, "full"), g.Expanded)
    assert isinstance(g.choose_form(x.double(), None, means.double(), covariances.double() * 1e-6, "full"), g.Centred)


@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_data_does_not_collapse(kind):
    x = torch.zeros(20, 3, dtype=torch.float64)  # constant columns
    x[10:, 0] = 1.0  # and two distinct rows
    torch.manual_seed(0)
    parameters = g.initial_parameters(x, 4, kind)
    for _ in range(20):
        statistics = g.expected_statistics(x, parameters[0].log(), *parameters[1:], kind)
        parameters = g.maximise(statistics, kind)
        assert all(t.isfinite().all() for t in parameters) and parameters[0].min() > 0
        assert torch.linalg.eigvalsh(dense(parameters[2], kind, 4, 3)).min() >= 0.99e-6


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_component_takes_half_of_the_heaviest(kind):
    log_weights, means, covariances = mixture(kind, K=2)
    x = rows(500)
    means[1] = 1e3  # explains nothing
    statistics = g.expected_statistics(x, log_weights, means, covariances, kind)
    weights, means, _ = parameters = g.maximise(statistics, kind)
    assert weights.tolist() == pytest.approx([0.5, 0.5])
    torch.testing.assert_close(means.mean(0), x.mean(0))
    assert (means[0] - means[1]).abs().max() > 0.5
    likelihoods = []
    for _ in range(10):
        statistics = g.expected_statistics(x, parameters[0].log(), *parameters[1:], kind)
        likelihoods.append(float(statistics["log_likelihood"]))
        parameters = g.maximise(statistics, kind, support=0)
    assert np.diff(likelihoods).min() > -1e-9


def test_the_floor_is_the_constrained_maximum():
    """No covariance above the floor is likelier; and where the floor is below the sample covariance nothing changes."""
    torch.manual_seed(0)
    root = torch.randn(3, 3, dtype=torch.float64)
    sample, floor = root @ root.T, torch.diag(torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))
    raised = g.raise_to(sample[None], floor[None], 1.0)[0]
    assert torch.linalg.eigvalsh(raised - floor).min() > -1e-12

    def value(s):
        return -torch.logdet(s) - torch.trace(torch.linalg.solve(s, sample))

    for _ in range(200):
        nudge = torch.randn(3, 3, dtype=torch.float64)
        other = raised + 0.05 * (nudge + nudge.T)
        if torch.linalg.eigvalsh(other - floor).min() >= 0:
            assert value(other) <= value(raised) + 1e-12
    assert torch.allclose(g.raise_to(sample[None], 1e-6 * floor[None], 1.0)[0], sample)


def fit(x, K, kind="full", tol=1e-6, max_iter=200, **options):
    parameters, before = g.initial_parameters(x, K, kind, **options), -math.inf
    for _ in range(max_iter):
        statistics = g.expected_statistics(x, parameters[0].log(), *parameters[1:], kind)
        now = float(statistics["log_likelihood"]) / len(x)
        if now - before < tol:
            break
        parameters, before = g.maximise(statistics, kind), now
    return parameters


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_iris_from_every_seed(dtype):
    raw = torch.as_tensor(load_iris().data)
    scale = raw.std(0, correction=0)
    x = ((raw - raw.mean(0)) / scale).to(dtype)

    def total_in_data_units(weights, means, covariances):
        per_row = log_likelihood(x.double(), weights.log(), means, covariances, "full") - scale.log().sum()
        return float(per_row.sum())

    for seed in range(10):
        torch.manual_seed(seed)
        weights, means, covariances = fit(x, 3)
        total = total_in_data_units(weights, means, covariances)
        assert total == pytest.approx(-180.1855, abs=1e-3)
    torch.manual_seed(0)
    weights, means, covariances = fit(x, 2)
    total = total_in_data_units(weights, means, covariances)
    assert 2 * total - 29 * math.log(150) == pytest.approx(-574.018, abs=1e-2)


def test_few_rows_a_dimension_do_not_overfit():
    """Digits: 1437 rows in 64 dimensions, 10 full covariances. Plain maximum likelihood: -140; published -127.64."""
    torch.manual_seed(0)
    raw = torch.as_tensor(load_digits().data)
    raw = raw + torch.rand_like(raw)
    mean, scale = raw[:1437].mean(0), raw[:1437].std(0, correction=0)
    x = (raw - mean) / scale
    weights, means, covariances = fit(x[:1437], 10)
    per_row = log_likelihood(x[1437:], weights.log(), means, covariances, "full") - scale.log().sum()
    assert float(per_row.mean()) > -126
    ones = torch.ones(1, 1437, dtype=torch.float64)
    statistics = g.weighted_statistics(x[:1437], ones, *g.standard(1, 64, "full"), "full")
    single = log_likelihood(x[1437:], torch.zeros(1), *g.maximise(statistics, "full")[1:], "full") - scale.log().sum()
    assert float(single.mean()) == pytest.approx(-130.83, abs=0.15)  # the dequantising noise is ours


def test_kmeans_finds_separate_clusters():
    torch.manual_seed(0)
    truth = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [30.0, 30.0]])
    labels = torch.arange(5).repeat(40)
    centres, found = kmeans(truth[labels] + torch.randn(200, 2), 5)
    assert len(found.unique()) == 5 and (torch.cdist(truth, centres).amin(1) < 1).all()
    assert kmeans(torch.zeros(3, 2), 5)[0].isfinite().all()  # fewer distinct rows than clusters


def test_the_centred_form_loses_no_digits_in_a_narrow_component_far_from_the_origin():
    torch.manual_seed(0)
    wide = torch.randn(2, 6, 12, dtype=torch.float64) * torch.logspace(-5, 0, 6, dtype=torch.float64)[:, None]
    covariances, means = wide @ wide.mT, 30 * torch.randn(2, 6, dtype=torch.float64)  # condition numbers about 1e10
    x = means[0] + torch.randn(50, 6, dtype=torch.float64) @ torch.linalg.cholesky(covariances[0]).mT
    for kind, of_kind in {"full": covariances, "tied": covariances[0], "diag": covariances.diagonal(dim1=1, dim2=2)}.items():
        form = g.Centred(torch.float64, None, means, of_kind, kind)
        torch.testing.assert_close(form.score(x)[0], g.log_density(x, means, of_kind, kind)[0], rtol=0, atol=1e-6)
        sums = form.unpack(form.moments(torch.ones(2, 50, dtype=torch.float64)))
        torch.testing.assert_close(sums["first"], x.sum(0).expand(2, 6))
