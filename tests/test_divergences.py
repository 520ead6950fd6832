"""Divergences, each against an independent oracle: the golden table, enumeration, quadrature, scipy, torch.distributions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import linalg, stats
from scipy.optimize import linprog
from torch import distributions as D

import genus
from genus.probability.divergences import Nats, cross_entropy, entropy, f_divergence, kl
from genus.probability.f_divergences import (
    F_DIVERGENCES,
    GAN,
    HELLINGER,
    JENSEN_SHANNON,
    KL,
    NEYMAN,
    PEARSON,
    REVERSE_KL,
    TOTAL_VARIATION,
    TRIANGULAR,
    alpha,
)
from genus.probability.kernels import (
    SCALES,
    _distances,
    distance_kernel,
    energy_distance,
    gaussian_kernel,
    median_distance,
    mmd,
    permutation_test,
    polynomial_kernel,
)
from genus.probability.transport import (
    frechet_distance,
    gaussian_wasserstein,
    sinkhorn,
    sinkhorn_divergence,
    sliced_wasserstein,
    transport_plan,
    wasserstein,
    wasserstein_1d,
)

P, Q = torch.tensor([0.5, 0.5]).double(), torch.tensor([0.25, 0.75]).double()
FAMILY = [*F_DIVERGENCES.values(), *(alpha(a) for a in (-1, 0.5, 0.3, 2, 3))]
every = pytest.mark.parametrize("d", FAMILY, ids=lambda d: d.name)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def points(rng: np.random.Generator, n: int, d: int, shift: float = 0.0) -> torch.Tensor:
    return torch.from_numpy(rng.normal(shift, 1, (n, d)))


# --------------------------------------------------------------------------------------------------------- f-divergences


def test_the_golden_table():
    golden = {"kl": 0.143841, "reverse-kl": 0.130812, "pearson": 1 / 3, "neyman": 0.25, "squared-hellinger": 0.068148,
              "jensen-shannon": 0.033822, "gan": -1.318650, "total-variation": 0.25,
              "triangular": 0.0625 / 0.75 + 0.0625 / 1.25}  # fmt: skip
    assert golden.keys() == F_DIVERGENCES.keys()
    for name, value in golden.items():
        assert float(F_DIVERGENCES[name].between(P, Q)) == pytest.approx(value, abs=1e-6), name
    twice = 2 * float(JENSEN_SHANNON.between(P, Q)) - math.log(4)
    assert float(GAN.between(P, Q)) == pytest.approx(twice)
    for a, same, times in ((2, PEARSON, 0.5), (-1, NEYMAN, 0.5), (0.5, HELLINGER, 2), (1, KL, 1), (0, REVERSE_KL, 1)):
        assert float(alpha(a).between(P, Q)) == pytest.approx(times * float(same.between(P, Q)))
    assert float(alpha(1.0001).between(P, Q)) == pytest.approx(float(KL.between(P, Q)), rel=1e-3)


@every
def test_generators_are_convex_and_zero_at_one(d):
    u = torch.linspace(0.05, 6, 400, dtype=torch.float64, requires_grad=True)
    f = d.f(u)
    assert bool((f[2:] - 2 * f[1:-1] + f[:-2] >= -1e-12).all())
    assert float(d.f(torch.tensor(1.0).double())) == pytest.approx(-math.log(4) if d is GAN else 0, abs=1e-12)
    slope = torch.autograd.grad(f.sum(), u)[0]
    torch.testing.assert_close(d.slope(u), slope)
    assert float(d.slope(torch.tensor(1e12).double())) == pytest.approx(d.limit, abs=1e-3) or d.limit == math.inf


@every
def test_conjugates_are_the_suprema_and_meet_fenchel_and_young(d):
    u = torch.linspace(0.05, 6, 120, dtype=torch.float64)
    t = d.slope(u)
    torch.testing.assert_close(d.f(u) + d.conjugate(t), u * t)  # equality at t = f'(u)
    fine = torch.linspace(1e-4, 40, 200_000, dtype=torch.float64)
    for here in t[::20]:
        assert float((here * fine - d.f(fine)).max()) == pytest.approx(float(d.conjugate(here)), abs=1e-4)


@every
def test_conjugates_are_the_suprema_over_the_whole_of_their_domain(d):
    """Far below f'(0) too, where it is finite: the supremum is at u = 0, and does not move with t."""
    u = torch.cat([torch.zeros(1), torch.logspace(-9, 6, 100_001)]).double()
    t = (torch.linspace(-8, 8, 33) if d.limit == math.inf else d.limit - torch.logspace(-2, 1.5, 33)).double().requires_grad_()
    f = d.f(u)
    some = t.detach() if d.limit < math.inf else t.detach().clamp_max(float(d.slope(u[-1]) / 2))
    suprema, best = (some[:, None] * u - f).max(1)
    torch.testing.assert_close(d.conjugate(some), suprema, rtol=1e-3, atol=1e-6)
    (slope,) = torch.autograd.grad(d.conjugate(t).sum(), t)
    assert bool((slope[best == 0] < 1e-9).all()) and bool(torch.isfinite(slope).all())
    v = torch.linspace(-12, 6, 73, dtype=torch.float64)
    torch.testing.assert_close(d.penalty(v), d.conjugate(d.activation(v)))
    v = torch.tensor([-300.0], requires_grad=True)
    if d.f(u[:1]) < math.inf and d.activation(v).isfinite():
        assert bool(torch.autograd.grad(d.penalty(v).sum(), v)[0].isfinite())


@every
def test_activations_keep_to_the_domain_and_do_not_overflow(d):
    v = torch.linspace(-4, 4, 81, dtype=torch.float64)
    t = d.activation(v)
    assert bool((t.diff() > 0).all()) and float(t.max()) < d.limit + 1e-12
    torch.testing.assert_close(d.penalty(v), d.conjugate(t))
    far = torch.tensor([-25.0, 25.0], requires_grad=True)  # float32
    (d.activation(far) - d.penalty(far)).sum().backward()
    assert bool(torch.isfinite(d.penalty(far)).all()) and bool(torch.isfinite(far.grad).all())


@every
def test_the_variational_bound_is_tight_at_the_optimal_critic_only(d):
    """E_p T - E_q f*(T) on five points, in the weights of an enumeration."""
    p, q = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25], [0.3, 0.1, 0.25, 0.3, 0.05]]).double()
    value = float(d.between(p, q))
    best = d.critic((p / q).log())
    assert float((p * best - q * d.conjugate(best)).sum()) == pytest.approx(value)
    for seed in range(20):
        t = d.activation(torch.randn(5, generator=torch.Generator().manual_seed(seed)).double())
        assert float((p * t - q * d.conjugate(t)).sum()) <= value + 1e-12


def test_bound_trains_a_critic():
    """A network of one number an outcome, trained by the f-GAN objective, finds the divergence."""
    p, q = (
        torch.tensor([0, 1]).repeat_interleave(torch.tensor([50, 50])),
        torch.tensor([0, 1]).repeat_interleave(torch.tensor([25, 75])),
    )
    for d in (KL, JENSEN_SHANNON, PEARSON):
        v = torch.zeros(2, requires_grad=True)
        optimiser = torch.optim.LBFGS([v], max_iter=50, line_search_fn="strong_wolfe")

        def loss(d=d, v=v, optimiser=optimiser):
            optimiser.zero_grad()
            value = -d.bound(v[p], v[q])
            value.backward()
            return value

        optimiser.step(loss)
        assert -float(loss().detach()) == pytest.approx(float(d.between(P, Q)), abs=1e-5)


def test_where_one_side_has_nothing():
    here, there = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    expected = {"kl": math.inf, "reverse-kl": math.inf, "pearson": math.inf, "neyman": math.inf, "squared-hellinger": 2,
                "jensen-shannon": math.log(2), "gan": 0, "total-variation": 1, "triangular": 2}  # fmt: skip
    for name, value in expected.items():
        assert float(F_DIVERGENCES[name].between(here, there)) == pytest.approx(value), name
        assert float(F_DIVERGENCES[name].between(here, here)) == pytest.approx(-math.log(4) if name == "gan" else 0), name
    p = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    KL.between(p, torch.tensor([0.25, 0.75, 0.0]).double()).backward()
    assert bool(torch.isfinite(p.grad).all())
    with pytest.raises(ValueError, match="q: probabilities must be at least 0 and add up to 1"):
        KL.between(P, torch.tensor([0.5, 0.6]))
    with pytest.raises(ValueError, match="a=inf must be a finite number"):
        alpha(math.inf)


@every
def test_what_is_small_does_not_overflow(d):
    """In float32, beside float64 by the definition; two normals, of which q's tail is rounded to nothing."""
    for p, q in itertools.permutations((torch.tensor([0.5, 0.5]), torch.tensor([1e-39, 1.0]))):
        exact = (q.double() * d.f(p.double() / q.double())).sum()
        if exact < 1e37:  # Pearson's may itself be beyond float32
            value = d.between(p.requires_grad_(), q)
            assert float(value.detach()) == pytest.approx(float(exact.detach()), rel=1e-5)
            (slope,) = torch.autograd.grad(value, p)
            torch.testing.assert_close(slope, d.critic((p.double() / q.double()).log()).float(), rtol=1e-4, atol=1e-6)
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    wide, narrow = (torch.softmax(-x.square() / (2 * s * s), 0) for s in (1.0, 0.2))
    there, back = float(d.between(wide, narrow)), float(d.between(narrow, wide))
    assert not math.isnan(there) and (there < math.inf or d.limit == math.inf)
    if d.mirror is None:
        assert there == pytest.approx(back)
    v = torch.tensor([-700.0, 700.0], dtype=torch.float64)
    assert not bool(d.critic(v).isnan().any())


def test_derivatives_where_one_side_has_nothing():
    p, q = torch.tensor([0.6, 0.4, 0.0], requires_grad=True), torch.tensor([0.5, 0.0, 0.5], requires_grad=True)
    TOTAL_VARIATION.between(p, q).backward()
    assert p.grad.tolist() == [0.5, 0.5, -0.5] and q.grad.tolist() == [-0.5, -0.5, 0.5]
    for d in (JENSEN_SHANNON, HELLINGER, GAN):  # of the price of p beyond q; that of q's first speck there is infinite
        p, q = torch.tensor([0.6, 0.4], requires_grad=True), torch.tensor([1.0, 0.0])
        d.between(p, q).backward()
        assert float(p.grad[1]) == pytest.approx(d.limit)


def test_the_optimal_discriminator():
    """Real N(5, 1) against fake U[-8, 8], by quadrature."""
    width = 1e-3
    x = torch.arange(-12, 14, width, dtype=torch.float64) + width / 2
    log_p = D.Normal(5.0, 1.0).log_prob(x)
    q = ((x > -8) & (x < 8)).double() / 16
    assert float(JENSEN_SHANNON.between(log_p.exp() * width, q * width)) == pytest.approx(0.352471, abs=1e-5)
    at = torch.tensor([5.0, 4.0, 3.0], dtype=torch.float64)
    log_ratio = D.Normal(5.0, 1.0).log_prob(at) - math.log(1 / 16)
    assert GAN.critic(log_ratio).exp().tolist() == pytest.approx([0.864555, 0.794726, 0.463478], abs=1e-6)


# --------------------------------------------------------------------------------- entropy and divergence of distributions

MIXTURE = D.MixtureSameFamily(D.Categorical(torch.tensor([0.3, 0.7]).double()), D.Normal(torch.tensor([-2.0, 1.0]).double(), torch.tensor([0.5, 1.0]).double()))  # fmt: skip


def test_closed_forms():
    p = D.Independent(D.Normal(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0]).sqrt()), 1)
    q = D.Independent(D.Normal(torch.zeros(2), torch.ones(2)), 1)
    assert kl(p, q) == Nats(pytest.approx(2.75)) and kl(p, q).kind == "exact"
    full = D.MultivariateNormal(torch.tensor([1.0, -2.0]), torch.diag(torch.tensor([0.5, 2.0])))
    assert kl(full, D.MultivariateNormal(torch.zeros(2), torch.eye(2))).nats == pytest.approx(2.75, abs=1e-5)
    assert entropy(D.Bernoulli(0.3)).nats == pytest.approx(-0.3 * math.log(0.3) - 0.7 * math.log(0.7))
    assert kl(D.Exponential(2.0), D.Exponential(1.0)).nats == pytest.approx(math.log(2) + 0.5 - 1)
    a, b = D.Laplace(0.0, 1.0), D.Laplace(1.0, 2.0)
    assert cross_entropy(a, b).nats == pytest.approx(entropy(a).nats + kl(a, b).nats)
    assert kl(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).nats == math.inf
    with pytest.raises(ValueError, match="is 3 distributions"):
        entropy(D.Bernoulli(torch.tensor([0.1, 0.2, 0.3])))


def test_estimates_agree_with_quadrature():
    x = torch.arange(-12, 12, 1e-3, dtype=torch.float64)
    p, log_p = MIXTURE.log_prob(x).exp() * 1e-3, MIXTURE.log_prob(x)
    normal = D.Normal(torch.tensor(0.0).double(), torch.tensor(2.0).double())
    log_q = normal.log_prob(x)
    exact = {entropy: -(p * log_p).sum(), cross_entropy: -(p * log_q).sum(), kl: (p * (log_p - log_q)).sum()}
    for measure, value in exact.items():
        found = measure(MIXTURE) if measure is entropy else measure(MIXTURE, normal)
        assert found.kind == "estimate" and 0 < found.standard_error < 0.02
        assert abs(found.nats - float(value)) < 4 * found.standard_error
    for d in (JENSEN_SHANNON, HELLINGER, TOTAL_VARIATION):
        found = f_divergence(d, MIXTURE, normal)
        assert abs(found.nats - float(d.between(p, log_q.exp() * 1e-3))) < 4 * found.standard_error
    assert kl(MIXTURE, D.Uniform(-1.0, 1.0)).nats == math.inf  # there are points that q cannot make
    assert f_divergence(TOTAL_VARIATION, D.Uniform(-1.0, 1.0), MIXTURE).nats < 1
    pair = (lambda n: 2 * torch.randn(n, dtype=torch.float64), normal.log_prob)
    assert abs(kl(pair, MIXTURE.log_prob).nats - kl(normal, MIXTURE).nats) < 0.1
    assert kl(MIXTURE, normal, seed=1) == kl(MIXTURE, normal, seed=1) != kl(MIXTURE, normal, seed=2)


def test_draws_that_never_meet():
    """Where draws of q alone say that there is nothing."""
    p, q = D.Normal(0.0, 1.0), D.Normal(9.0, 0.1)
    bounded = {TOTAL_VARIATION: 1, HELLINGER: 2, JENSEN_SHANNON: math.log(2), GAN: 0}
    for d, value in bounded.items():
        assert f_divergence(d, p, q).nats == pytest.approx(value, abs=1e-6)
    assert f_divergence(KL, p, q) == kl(p, q) and f_divergence(REVERSE_KL, p, q) == kl(q, p)
    apart = D.Uniform(0.0, 1.0), D.Uniform(5.0, 6.0)
    assert f_divergence(TOTAL_VARIATION, *apart).nats == 1 and f_divergence(PEARSON, *apart).nats == math.inf
    with pytest.warns(UserWarning, match="pearson: few of the 10000 draws decide its estimate"):  # it is e^25 - 1
        f_divergence(PEARSON, p, D.Normal(5.0, 1.0))
    found = f_divergence(PEARSON, p, D.Normal(0.5, 1.0))
    assert abs(found.nats - math.expm1(0.25)) < 4 * found.standard_error


@pytest.mark.filterwarnings("error")
def test_what_is_bounded_has_no_tail():
    """Its terms bunch below their bound, which a fit to the largest of them may take for a tail."""
    x = torch.arange(-12, 12, 1e-3, dtype=torch.float64)
    p, q = D.Normal(1.0, 2.0), D.Normal(0.0, 1.5)
    for d in (GAN, JENSEN_SHANNON, HELLINGER, TOTAL_VARIATION, TRIANGULAR, alpha(0.3)):
        exact = d.between(*(torch.softmax(normal.log_prob(x), 0) for normal in (p, q)))
        found = f_divergence(d, p, q, n=20_000)
        assert abs(found.nats - float(exact)) < 4 * found.standard_error
    with pytest.raises(UserWarning, match="neyman: few of the 10000 draws"):
        f_divergence(NEYMAN, D.Normal(5.0, 1.0), D.Normal(0.0, 1.0))


def test_mixtures_score_points_that_some_components_cannot_make():
    steps = D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Uniform(torch.tensor([0.0, 2]), torch.tensor([1.0, 4])))
    assert kl(steps, D.Uniform(5.0, 6.0)).nats == kl(D.Uniform(5.0, 6.0), steps).nats == math.inf
    assert entropy(steps).nats == pytest.approx(math.log(2) + math.log(2) / 2, abs=0.02)
    before = torch.get_rng_state()
    cross_entropy(D.Uniform(0.0, 1.0), steps)
    assert torch.equal(before, torch.get_rng_state())


def test_divergence_of_fitted_models(rng):
    """Two Gaussians fitted to data: what the estimate says beside the formula, in the data's units."""
    one, other = (points(rng, 500, 2) * 30 + 7, points(rng, 500, 2, 0.5) * 40)
    p, q = genus.Gaussian().fit(one), genus.Gaussian().fit(other)
    normal = lambda x: D.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))  # noqa: E731
    found, exact = kl(p, q), kl(normal(one), normal(other)).nats
    assert abs(found.nats - exact) < 4 * found.standard_error + 1e-3
    assert abs(entropy(p).nats - entropy(normal(one)).nats) < 0.1
    before = torch.get_rng_state()
    kl(MIXTURE, D.Normal(0.0, 1.0))
    assert torch.equal(before, torch.get_rng_state())


def test_what_cannot_be_asked(rng):
    normal = D.Normal(0.0, 1.0)
    digits = genus.Gaussian().fit(torch.from_numpy(rng.integers(0, 4, (50, 2))))
    with pytest.raises(TypeError, match="p: Gaussian has no exact log_prob"):
        entropy(digits)
    with pytest.raises(TypeError, match="p: a function does not sample"):
        kl(normal.log_prob.__func__, normal)
    with pytest.raises(TypeError, match="q: a int does not score"):
        cross_entropy(normal, 3)
    with pytest.raises(ValueError, match="n=1 must be a whole number, at least 2"):
        entropy(MIXTURE, n=1)
    with pytest.raises(ValueError, match=r"q: log_prob of 10000 points gave shape \(10000, 2\)"):
        cross_entropy(D.Independent(D.Normal(torch.zeros(2), 1.0), 1), lambda x: x)


# --------------------------------------------------------------------------------------------------------------- numbers

KINDS = {
    "int64": lambda x: x, "uint8": lambda x: x.to(torch.uint8), "float16": lambda x: x.half(), "numpy": lambda x: x.numpy(),
    "list": lambda x: x.tolist(), "frame": lambda x: pd.DataFrame(x.numpy()),
}  # fmt: skip
MEASURES = [
    wasserstein, sliced_wasserstein, sinkhorn_divergence, frechet_distance, mmd, energy_distance, wasserstein_1d,
    lambda x, y: torch.tensor(permutation_test(x, y, permutations=9).statistic), lambda x, y: transport_plan(x) - transport_plan(y),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_any_kind(rng, kind):
    x, y = (torch.from_numpy(rng.integers(0, 9, (12, 2))) for _ in range(2))
    read = KINDS[kind]
    for measure in MEASURES:
        exact = measure(x.double(), y.double()).double()
        torch.testing.assert_close(measure(read(x), read(y)).double(), exact, rtol=1e-4, atol=1e-5)
    mixed = gaussian_wasserstein([0, 0], np.eye(2), torch.tensor([3, 4]), torch.eye(2))
    assert float(mixed) == pytest.approx(25)
    assert float(wasserstein_1d([0, 0, 1], torch.tensor([0, 1, 1]), a=np.full(3, 1 / 3))) == pytest.approx(1 / 3)
    assert float(KL.between([0.5, 0.5], np.array([0.25, 0.75]))) == pytest.approx(0.143841, abs=1e-6)
    assert float(TOTAL_VARIATION.between([1, 0], [0, 1])) == 1


def test_what_is_no_number():
    some = torch.zeros(3, 2)
    for call, name in (
        (lambda: wasserstein_1d("a", [1]), "x"),
        (lambda: mmd(some, None), "y"),
        (lambda: KL.between([[1], [1, 2]], P), "p"),
    ):
        with pytest.raises(TypeError, match=f"{name}: is of type .* which holds no array of real numbers"):
            call()
    with pytest.raises(ValueError, match=r"x, y: have shapes \(0,\) and \(1,\)"):
        wasserstein_1d([], [1.0])
    with pytest.raises(ValueError, match=r"have shapes \(3, 2\) and \(3,\)"):
        wasserstein_1d(some, some[:, 0])
    with pytest.raises(ValueError, match="at least 2 a side"):
        frechet_distance(some[:1], some)
    with pytest.raises(ValueError, match=r"cost: has shape \(1, 0\)"):
        transport_plan([[]])
    with pytest.raises(ValueError, match="projections=0"):
        sliced_wasserstein(some, some, projections=0)
    with pytest.raises(ValueError, match="have 2 and 1 outcomes"):
        KL.between(P, [1.0])


# ------------------------------------------------------------------------------------------------------------- transport


def test_wasserstein_on_a_line_against_scipy(rng):
    a, b = rng.normal(size=37), rng.exponential(size=52)
    u, v = rng.random(37), rng.random(52)
    u, v = u / u.sum(), v / v.sum()
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    assert float(wasserstein_1d(x, y)) == pytest.approx(stats.wasserstein_distance(a, b))
    weighted = wasserstein_1d(x, y, a=torch.from_numpy(u), b=torch.from_numpy(v))
    assert float(weighted) == pytest.approx(stats.wasserstein_distance(a, b, u, v))
    assert float(wasserstein_1d(x, x.flip(0))) == 0
    for p in (1, 2, 3.5):  # of equally many points, the sorted ones are coupled
        expected = np.mean(np.abs(np.sort(a) - np.sort(b[:37])) ** p) ** (1 / p)
        assert float(wasserstein_1d(x, y[:37], p)) == pytest.approx(expected)
    both = wasserstein_1d(torch.stack([x, 2 * x], 1), torch.stack([y, 2 * y], 1), 2)
    assert float(both[1]) == pytest.approx(2 * float(both[0]))
    for p in (0.5, math.inf):
        with pytest.raises(ValueError, match=rf"p={p} must be a finite number, at least 1"):
            wasserstein_1d(x, y, p)
    with pytest.raises(ValueError, match="a: weights must be 37 numbers"):
        wasserstein_1d(x, y, a=torch.ones(37))


def test_sliced_wasserstein(rng):
    x, y = points(rng, 40, 1), points(rng, 55, 1, 1.0)
    assert float(sliced_wasserstein(x, y)) == pytest.approx(float(wasserstein_1d(x[:, 0], y[:, 0])))  # up to its sign
    x = points(rng, 50, 2)
    assert float(sliced_wasserstein(x, x)) == 0
    # a shift by v moves every projection by |v . direction|: its mean in the plane is 2 |v| / pi, its mean square |v|^2 / 2
    far = x + torch.tensor([3.0, 4.0])
    assert float(sliced_wasserstein(x, far, projections=20_000)) == pytest.approx(5 * 2 / math.pi, rel=0.02)
    assert float(sliced_wasserstein(x, far, 2, projections=20_000)) == pytest.approx(5 / math.sqrt(2), rel=0.02)


def test_exact_transport_against_a_linear_programme(rng):
    x, y = points(rng, 6, 2), points(rng, 9, 2, 1.0)
    a, b = torch.from_numpy(rng.dirichlet(np.ones(6))), torch.from_numpy(rng.dirichlet(np.ones(9)))
    cost = torch.cdist(x, y)
    rows = [np.kron(np.eye(6), np.ones(9)), np.kron(np.ones(6), np.eye(9))]
    best = linprog(cost.numpy().ravel(), A_eq=np.concatenate(rows), b_eq=np.concatenate([a, b])).fun
    plan = transport_plan(cost, a, b)
    assert float((plan * cost).sum()) == pytest.approx(best)
    torch.testing.assert_close(plan.sum(1), a)
    torch.testing.assert_close(plan.sum(0), b)
    assert float(wasserstein(x, y, a=a, b=b)) == pytest.approx(best)
    z = points(rng, 6, 2)  # alike and equally many: an assignment, which is the same programme
    uniform = torch.full((6,), 1 / 6).double()
    assert float(wasserstein(x, z, 2)) == pytest.approx(float(wasserstein(x, z, 2, a=uniform, b=uniform)))
    line, other = points(rng, 8, 1), points(rng, 11, 1)
    assert float(wasserstein(line, other, 2)) == pytest.approx(float(wasserstein_1d(line[:, 0], other[:, 0], 2)))


def test_sinkhorn_is_the_smoothed_optimum_and_its_derivative_the_plan(rng):
    x, y = points(rng, 7, 2), points(rng, 5, 2, 0.5)
    a, b = torch.from_numpy(rng.dirichlet(np.ones(7))), torch.from_numpy(rng.dirichlet(np.ones(5)))
    cost = torch.cdist(x, y).square().requires_grad_()
    value, plan = sinkhorn(cost, a, b, epsilon=0.5, tolerance=1e-12, max_iter=5000)
    best = float(value.detach())
    torch.testing.assert_close(plan.sum(1), a)
    torch.testing.assert_close(plan.sum(0), b)
    direct = (plan * cost).sum() + 0.5 * torch.special.xlogy(plan, plan / (a[:, None] * b)).sum()
    assert best == pytest.approx(float(direct.detach()))
    for other in (a[:, None] * b, transport_plan(cost, a, b)):  # no other coupling is better
        assert float((other * cost.detach()).sum() + 0.5 * torch.special.xlogy(other, other / (a[:, None] * b)).sum()) > best
    torch.testing.assert_close(torch.autograd.grad(value, cost)[0], plan)
    assert torch.autograd.gradcheck(lambda c: sinkhorn(c, a, b, epsilon=0.5, tolerance=1e-13, max_iter=9999)[0], (cost,), atol=1e-6)
    cost = cost.detach()
    exact = float((transport_plan(cost, a, b) * cost).sum())
    sharp = sinkhorn(cost, a, b, epsilon=1e-3, max_iter=20_000)[1]
    assert float((sharp * cost).sum()) == pytest.approx(exact, rel=1e-3)
    assert float(sinkhorn_divergence(x, x)) == pytest.approx(0, abs=1e-6) and float(sinkhorn_divergence(x, y)) > 0.01
    with pytest.raises(ValueError, match="epsilon=0 must be a number above 0"):
        sinkhorn(cost, epsilon=0)


def test_transport_is_differentiable(rng):
    x, y = points(rng, 6, 2).requires_grad_(), points(rng, 6, 2, 1.0)
    for measure in (wasserstein, sliced_wasserstein, frechet_distance, energy_distance, mmd):
        assert torch.autograd.gradcheck(lambda x, m=measure: m(x, y) if m is not mmd else m(x, y, gaussian_kernel(1.0)), (x,))


def test_derivatives_exist_where_eigenvalues_meet_and_at_distance_zero(rng):
    mean, one = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    covariances = [one.clone().requires_grad_(), (2 * one).requires_grad_()]
    first, second = torch.autograd.grad(gaussian_wasserstein(mean, covariances[0], mean, covariances[1]), covariances)
    torch.testing.assert_close(first, (1 - 2**0.5) * one)  # of (sqrt s - sqrt t)^2 a coordinate
    torch.testing.assert_close(second, (1 - 0.5**0.5) * one)
    x = points(rng, 3, 2).requires_grad_()
    for measure in (wasserstein, sliced_wasserstein):
        assert torch.autograd.grad(measure(x, x.detach(), 2), x)[0].eq(0).all()
    assert sliced_wasserstein(x, math.nan * x, 2).isnan()  # not 0
    flat, few = points(rng, 3, 5).requires_grad_(), points(rng, 4, 5)  # fewer points than coordinates
    assert torch.autograd.gradcheck(lambda x: frechet_distance(x, few), (flat,))
    assert torch.autograd.gradcheck(lambda x: frechet_distance(few, x), (flat,))


def test_weights_that_add_up_to_nearly_one(rng):
    x, y = points(rng, 5, 2), points(rng, 4, 2)
    a = torch.full((5,), 1.00004 / 5, dtype=torch.float64)
    torch.testing.assert_close(wasserstein(x, y, a=a), wasserstein(x, y))
    torch.testing.assert_close(wasserstein_1d(x, y, a=a), wasserstein_1d(x, y))
    torch.testing.assert_close(wasserstein(x, y, a=a.float()), wasserstein(x, y))


def test_frechet_distance(rng):
    a, b = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4)), rng.normal(1, 2, (90, 4))
    s, t = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * linalg.sqrtm(s @ t).real)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    assert float(frechet_distance(x, y)) == pytest.approx(expected)
    assert float(frechet_distance(x[:, :1], x[:, :1] + 2)) == pytest.approx(4)
    mean, other = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0])
    diagonal = gaussian_wasserstein(mean, torch.diag(torch.tensor([4.0, 9.0])), other, torch.diag(torch.tensor([1.0, 16.0])))
    assert float(diagonal) == pytest.approx(25 + 1 + 1, rel=1e-5)  # commuting: the distance of the standard deviations
    normal = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)  # and it is what transport takes between them
    line = wasserstein_1d(torch.from_numpy(normal), torch.from_numpy(3 + 2 * normal), 2)
    formula = gaussian_wasserstein(torch.zeros(1), torch.eye(1), torch.full((1,), 3.0), 4 * torch.eye(1))
    assert float(line) ** 2 == pytest.approx(float(formula), rel=1e-3)


# --------------------------------------------------------------------------------------------------------------- kernels


def test_mmd_by_hand(rng, monkeypatch):
    a, b, h = rng.normal(size=(6, 2)), rng.normal(1, 1, (5, 2)), 0.7
    k = lambda x, y: math.exp(-((x - y) ** 2).sum() / (2 * h * h))  # noqa: E731
    between = 2 * sum(k(x, y) for x in a for y in b) / 30
    unbiased = sum(k(a[i], a[j]) for i in range(6) for j in range(6) if i != j) / 30
    unbiased += sum(k(b[i], b[j]) for i in range(5) for j in range(5) if i != j) / 20
    biased = sum(k(x, y) for x in a for y in a) / 36 + sum(k(x, y) for x in b for y in b) / 25
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    assert float(mmd(x, y, gaussian_kernel(h))) == pytest.approx(unbiased - between)
    assert float(mmd(x, y, gaussian_kernel(h), unbiased=False)) == pytest.approx(biased - between)
    whole = mmd(x, y, gaussian_kernel(h, SCALES))
    assert float(whole) == pytest.approx(np.mean([float(mmd(x, y, gaussian_kernel(h * s))) for s in SCALES]))
    monkeypatch.setattr("genus.probability.kernels.TILE", 25)  # two rows at a time: the same
    assert float(mmd(x, y, gaussian_kernel(h, SCALES))) == pytest.approx(float(whole))
    null = [float(mmd(points(rng, 60, 2), points(rng, 60, 2))) for _ in range(40)]
    assert abs(np.mean(null)) < 4 * np.std(null) / math.sqrt(40)  # unbiased
    with pytest.raises(ValueError, match="at least 2 a side"):
        mmd(x[:1], y)
    with pytest.raises(ValueError, match="bandwidth=0 must be a finite number above 0"):
        gaussian_kernel(0)


def test_the_polynomial_kernel_compares_moments(rng):
    """With degree 1 and no offset MMD^2 is the squared distance of the means, over the dimension."""
    x, y = points(rng, 30, 3), points(rng, 40, 3, 1.0)
    means = (x.mean(0) - y.mean(0)).square().sum() / 3
    assert float(mmd(x, y, polynomial_kernel(1, 0.0), unbiased=False)) == pytest.approx(float(means))
    assert float(mmd(x, y, polynomial_kernel())) > 0


@pytest.mark.parametrize(("dtype", "offset"), [(torch.float32, 1e5), (torch.float64, 1e9)])
@pytest.mark.parametrize("columns", [3, 40])
def test_far_from_zero(rng, dtype, offset, columns):
    """On a grid that survives it, data moved far away, some of them alone, are as far apart as they were."""
    x, y = ((torch.from_numpy(rng.normal(shift, 1, (n, columns))) * 32).round() / 32 for n, shift in ((70, 0), (60, 0.5)))
    x[0] += 1024  # an outlier moves the mean
    far, away = (x + offset).to(dtype), (y + offset).to(dtype)
    assert torch.equal(far.double() - offset, x)
    fine, frechet = lambda x, y: mmd(x, y, gaussian_kernel(2.0, SCALES)), lambda x, y: frechet_distance(x[1:], y)
    for measure in (mmd, fine, energy_distance, median_distance, frechet):
        assert float(measure(far, away)) == pytest.approx(float(measure(x, y)), rel=1e-4, abs=1e-6)
    assert permutation_test(far, away, permutations=99).p_value == 0.01


def test_distances_by_a_product_are_those_of_pairs(rng):
    """Both ways, their derivatives too, and the product about the middle of its points only where it keeps digits."""
    x, y = points(rng, 50, 60).requires_grad_(), points(rng, 40, 60, 1.0)
    values = [_distances(x, y, unit) for unit in (10.0, 0.0)]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value.square().sum(), x)[0] for value in values))
    clusters = torch.cat([x.detach().float(), x.detach().float() + 1e4])
    true = torch.cdist(clusters.double(), clusters.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(_distances(clusters, clusters, 1.0), true.float())


def test_energy_distance_against_scipy(rng):
    a, b = rng.normal(size=37), rng.exponential(size=52)
    found = energy_distance(torch.from_numpy(a)[:, None], torch.from_numpy(b)[:, None])
    assert float(found) == pytest.approx(stats.energy_distance(a, b) ** 2)  # scipy takes the root


@pytest.mark.parametrize("kernel", [None, distance_kernel], ids=["gaussian", "energy"])
def test_permutation_tests(rng, kernel):
    x, y = points(rng, 60, 2), points(rng, 50, 2)
    apart = permutation_test(x, y + 1, kernel, permutations=199)
    assert apart.p_value == pytest.approx(1 / 200)
    both = torch.cat([x, y + 1])  # one bandwidth, however they are labelled, or the test would not be exact
    k = kernel or gaussian_kernel(median_distance(both, both))
    assert apart.statistic == pytest.approx(float(mmd(x, y + 1, k)))
    assert permutation_test(x, y, kernel, seed=3) == permutation_test(x, y, kernel, seed=3)
    p = np.array([permutation_test(points(rng, 20, 2), points(rng, 15, 2), kernel, permutations=99).p_value for _ in range(200)])
    assert stats.kstest(p, "uniform").pvalue > 1e-3  # under equality p-values are uniform
    with pytest.raises(ValueError, match="permutations=0"):
        permutation_test(x, y, permutations=0)
