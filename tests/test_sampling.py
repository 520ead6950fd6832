"""Ways to draw, against enumeration, closed forms, scipy, and numbers of arviz 0.19."""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Independent, Normal

import genus.sampling as s
from genus.sampling import diagnostics
from genus.sampling.adaptation import _window_ends
from genus.sampling.chains import State
from genus.sampling.hamiltonian import leapfrog, trajectory
from genus.sampling.importance import pareto_shape
from genus.sampling.langevin import adjusted

N = 100_000
LEAST = 1e-3  # p-value; every draw is seeded, so a test that passes once passes always


def chi_square(draws, probabilities):
    counts = np.bincount(np.asarray(draws), minlength=len(probabilities))
    probabilities = np.asarray(probabilities, dtype=float) / np.asarray(probabilities, dtype=float).sum()
    possible = probabilities > 0
    assert len(counts) == len(probabilities) and counts[~possible].sum() == 0
    return stats.chisquare(counts[possible], probabilities[possible] * counts.sum()).pvalue


def normal(x):
    return -x.square().reshape(len(x), -1).sum(1) / 2


COVARIANCE = torch.tensor([[2.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 0.5]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0, 30.0], dtype=torch.float64)
PRECISION = COVARIANCE.inverse()


def correlated(x):
    return -((x - MEAN) @ PRECISION * (x - MEAN)).sum(-1) / 2


# ------------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    "probabilities",
    [[1.0], [1, 2, 3, 4], [0, 0.5, 0, 0.5, 0], [1e-4, 1, 1e-4, 30, 0], list(range(1, 60)), [1 / 3] * 3, [0.1] * 10],
    ids=["one", "four", "zeros", "uneven", "many", "equal", "tenths"],
)
def test_discrete_draws_have_their_frequencies(probabilities):
    assert chi_square(s.discrete(probabilities, N, seed=1), probabilities) > LEAST or len(probabilities) == 1
    table = s.AliasTable(probabilities)
    assert chi_square(table.draw(N, seed=1), probabilities) > LEAST or len(probabilities) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
def test_an_alias_table_holds_exactly_the_probabilities(size, spread):
    p = torch.exp(spread * torch.randn(size, generator=torch.Generator().manual_seed(size), dtype=torch.float64))
    p[1::4] = 0
    table = s.AliasTable(p)
    assert (table.threshold >= 0).all() and (table.threshold <= 1 + 1e-12).all()
    held = table.threshold.clamp(max=1).scatter_add(0, table.alias, 1 - table.threshold.clamp(max=1)) / size
    torch.testing.assert_close(held, p / p.sum(), atol=1e-13, rtol=1e-9)
    assert (table.threshold[p == 0] == 0).all() and (p[table.alias][table.threshold < 1] > 0).all()


def test_rows_of_probabilities_are_drawn_side_by_side():
    rows = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]])
    draws = s.discrete(rows, N, seed=0)
    assert draws.shape == (1, 2, N) and (draws[0, 1] == 2).all() and chi_square(draws[0, 0], [1, 2, 3]) > LEAST


def test_the_edges_of_a_table_are_never_left(monkeypatch):
    """The largest and the smallest uniform number, with values of no probability at both ends."""
    for edge in (0.0, 1 - 2.0**-53):
        monkeypatch.setattr(torch, "rand", lambda *shape, edge=edge, **_: torch.full(shape, edge, dtype=torch.float64))
        assert 1 <= s.discrete([0, 0.1, 0.7, 0.2, 0, 0], 1).item() <= 3
        assert 1 <= s.AliasTable([0, 0.1, 0.7, 0.2, 0, 0]).draw(1).item() <= 3


# ---------------------------------------------------------------------------------------------------------- densities


def test_inverse_of_quantile_and_cdf():
    for draws in (
        s.from_quantile(lambda u: 3 - torch.log1p(-u) / 2, N, seed=0),
        s.from_cdf(lambda x: -torch.expm1(-2 * (x - 3).clamp(min=0)), N, seed=0),  # the bracket must be widened
        s.from_cdf(lambda x: -torch.expm1(-2 * (x - 3).clamp(min=0)), N, low=-1e4, high=-1e3, seed=0),
    ):
        assert stats.kstest(draws.numpy(), stats.expon(loc=3, scale=0.5).cdf).pvalue > LEAST
    torch.testing.assert_close(
        s.from_cdf(torch.special.ndtr, 1000, seed=3), s.from_quantile(torch.special.ndtri, 1000, seed=3), atol=1e-12, rtol=1e-9
    )
    steps = s.from_cdf(lambda x: (x >= 0).double() * 0.3 + (x >= 2).double() * 0.7, N, seed=0)  # a cdf that jumps
    assert chi_square((steps > 1).long(), [0.3, 0.7]) > LEAST and set(steps.tolist()) <= {0.0, 2.0} | set(
        steps[steps < 1e-9].tolist()
    )


def test_a_tabulated_density_is_linear_between_its_points():
    grid, density = np.array([0.0, 1.0, 1.5, 4.0, 5.0, 6.0]), np.array([0.0, 2.0, 0.5, 0.5, 0.0, 0.0])
    draws = s.tabulated(density, grid, N, seed=0)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])

    def cdf(x):
        cell = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
        at = x - grid[cell]
        slope = (density[cell + 1] - density[cell]) / (grid[cell + 1] - grid[cell])
        return (mass[cell] + density[cell] * at + slope * at**2 / 2) / mass[-1]

    assert stats.kstest(draws.numpy(), cdf).pvalue > LEAST and draws.min() >= 0 and draws.max() <= 5


def test_rejection_draws_exactly_and_knows_its_rate():
    log_bound = math.log(3 / 2)  # Beta(2, 2) under the uniform
    draws, rate = s.rejection(
        lambda x: torch.log(6 * x * (1 - x)), torch.distributions.Uniform(0.0, 1.0), N, log_bound=log_bound, seed=0
    )
    assert draws.shape == (N,) and stats.kstest(draws.numpy(), stats.beta(2, 2).cdf).pvalue > LEAST
    assert rate == pytest.approx(2 / 3, abs=0.005)
    disc = s.rejection(
        lambda x: torch.where(x.square().sum(1) < 1, 0.0, -math.inf),
        Independent(torch.distributions.Uniform(-torch.ones(2), torch.ones(2)), 1), 1000, log_bound=math.log(4), seed=0,
    )  # fmt: skip
    assert disc.draws.shape == (1000, 2) and (disc.draws.square().sum(1) < 1).all()
    with pytest.raises(ValueError, match=r"log_bound=0.0 is too low"):
        s.rejection(normal, Normal(0.0, 1.0), 1000, log_bound=0.0, seed=0)


def test_importance_weights_estimate_expectations_and_the_normaliser():
    weighted = s.importance(lambda x: -((x - 1) ** 2) / 2, torch.distributions.StudentT(3.0, 1.0, 2.0), N, seed=0)
    truth = math.log(math.sqrt(2 * math.pi))
    assert abs(weighted.log_normaliser - truth) < 4 * weighted.log_normaliser_error < 0.02
    square = weighted.expectation(lambda x: x.square())
    assert abs(square.mean - 2) < 4 * square.standard_error < 0.1
    assert 0.3 * N < weighted.ess < N and weighted.pareto_k < 0.3
    for method in ("systematic", "multinomial"):
        draws = weighted.resample(20_000, method=method, seed=1)
        assert stats.kstest(draws.numpy(), stats.norm(1).cdf).pvalue > LEAST
    assert s.importance(normal, Normal(0.0, 0.3), 10_000, seed=0).pareto_k > 0.7  # tails too light: it must say so
    exact = s.importance(normal, Normal(0.0, 1.0), 1000, seed=0)
    assert exact.ess == pytest.approx(1000, rel=1e-4) and exact.pareto_k < 0


def test_systematic_resampling_repeats_a_draw_as_its_weight_asks():
    log_weights = torch.tensor([0.5, 0.0, 0.26, 0.24], dtype=torch.float64).log()
    kept = s.Weighted(torch.arange(4), log_weights).resample(10, seed=0).bincount(minlength=4)
    assert kept[0] == 5 and kept[1] == 0 and kept[2] in (2, 3) and kept[3] in (2, 3) and kept.sum() == 10


def test_pareto_shape_is_arvizs():
    weights = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for scale, k in PARETO.items():
        assert pareto_shape(scale * weights) == pytest.approx(k, abs=1e-9)
    assert math.isnan(pareto_shape(weights[:50]))


# ------------------------------------------------------------------------------------------------------ Markov chains


METHODS = {"metropolis": s.metropolis, "langevin": s.langevin, "hamiltonian": s.hamiltonian}
TARGET = {"metropolis": 0.234, "langevin": 0.574, "hamiltonian": 0.8}


@pytest.mark.parametrize("method", METHODS)
def test_chains_find_a_correlated_gaussian(method):
    thinning = {"metropolis": 24, "langevin": 8, "hamiltonian": 1}[method]
    start = MEAN + 10 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chains = METHODS[method](correlated, start, 200, num_warmup=250, thinning=thinning, seed=0)
    assert chains.draws.shape == (200, 20, 3) and chains.log_prob.shape == (200, 20)
    torch.testing.assert_close(chains.log_prob, correlated(chains.draws))
    assert (chains.rhat < 1.02).all() and (chains.ess > 1000).all() and (chains.tail_ess > 1000).all()
    assert ((chains.mean - MEAN).abs() < 4 * chains.standard_error).all()
    products = chains.expectation(lambda x: (x - MEAN)[:, :, None] * (x - MEAN)[:, None, :])
    assert ((products.mean - COVARIANCE).abs() < 4 * products.standard_error).all() and (products.standard_error < 0.1).all()
    assert chains.acceptance.mean() == pytest.approx(TARGET[method], abs=0.1)
    assert chains.step_size.shape == (3,)
    assert chains.divergences.sum() == 0 if method == "hamiltonian" else chains.divergences is None


@pytest.mark.parametrize("method", METHODS)
def test_a_move_beyond_the_edge_is_a_divergence_of_trajectories_alone(method):
    """Any other method refuses it rightly: nothing is missing."""

    def bounded(x):  # uniform on [-1, 1]^2
        return torch.where(x.abs().amax(1) <= 1, 0.0 * x.sum(1), -math.inf)

    chains = METHODS[method](bounded, torch.zeros(4, 2), 100, num_warmup=0, step_size=0.9, seed=0)
    assert (chains.acceptance < 1).all()
    assert (chains.divergences > 0).all() if method == "hamiltonian" else chains.divergences is None


@pytest.mark.parametrize("method", METHODS)
def test_one_coordinate_has_the_right_distribution_whatever_its_scale(method):
    def logistic(x):  # of scale 1e-3
        return -1e3 * x - 2 * torch.nn.functional.softplus(-1e3 * x)

    chains = METHODS[method](
        logistic, torch.zeros(1000, dtype=torch.float64), 10, thinning={"hamiltonian": 3}.get(method, 20), num_warmup=150, seed=0
    )
    assert chains.draws.shape == (10, 1000)
    assert stats.kstest(chains.flat.numpy(), stats.logistic(scale=1e-3).cdf).pvalue > LEAST


def test_hamiltonian_chains_follow_a_banana():
    def banana(x):  # x ~ N(0, 1), y ~ N(x^2, 0.3^2)
        return -(x[:, 0] ** 2) / 2 - ((x[:, 1] - x[:, 0] ** 2) / 0.3) ** 2 / 2

    chains = s.hamiltonian(banana, torch.zeros(100, 2), 100, num_warmup=200, seed=0)
    moments = chains.expectation(lambda x: torch.stack((x[:, 0], x[:, 0] ** 2, x[:, 1], (x[:, 1] - x[:, 0] ** 2) ** 2), 1))
    truth = torch.tensor([0, 1, 1, 0.09], dtype=torch.float64)
    assert ((moments.mean - truth).abs() < 4 * moments.standard_error).all() and (moments.standard_error < 0.1).all()


def test_leapfrog_runs_backwards_and_keeps_energy_to_second_order():
    both = s.value_and_gradient(correlated)
    x = MEAN + torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    momentum = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    state = State(x, *both(x))

    def error(step, steps):
        end, after = leapfrog(both, state, momentum, torch.tensor(step, dtype=torch.float64), steps)
        return (end.log_prob - after.square().sum(1) / 2 - state.log_prob + momentum.square().sum(1) / 2).abs().max()

    assert 3.7 < error(0.04, 10) / error(0.02, 20) < 4.3
    end, after = leapfrog(both, state, momentum, torch.tensor(0.3, dtype=torch.float64), 17)
    back, _ = leapfrog(both, end, -after, torch.tensor(0.3, dtype=torch.float64), 17)
    torch.testing.assert_close(back.x, x, atol=1e-10, rtol=0)


def test_langevin_is_hamiltonian_of_one_leapfrog_step():
    both, x = s.value_and_gradient(normal), torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    step, state, ends = torch.tensor(1.2, dtype=torch.float64), State(x, *both(x)), []
    for kernel in (lambda: adjusted(both, state, step), lambda: trajectory(both, state, step, 1)):
        torch.manual_seed(0)
        ends.append(kernel()[1])
    torch.testing.assert_close(*ends)


def test_unadjusted_langevin_on_images_has_the_variance_of_its_step():
    """x' = (1 - h^2/2) x + h noise is an autoregression of variance 1 / (1 - h^2/4): its own limit, not the density's."""
    h = 1.0
    start = torch.zeros(64, 1, 8, 8)
    score = s.score(normal)
    chains = s.unadjusted_langevin(score, start, 50, step_size=h, num_warmup=20, thinning=2, seed=0)
    assert chains.draws.shape == (50, 64, 1, 8, 8) and chains.acceptance is None
    assert chains.draws.var() == pytest.approx(1 / (1 - h**2 / 4), rel=0.01)
    with torch.inference_mode():  # and where gradients are off altogether
        cold = s.unadjusted_langevin(score, torch.ones(2, 3), thinning=5, step_size=0.5, noise=0.0)
    torch.testing.assert_close(cold.draws[-1], torch.full((2, 3), (1 - 0.125) ** 5))


@pytest.mark.parametrize("method", METHODS)
def test_chains_go_on_where_they_were_and_keep_their_type(method):
    """A float64 log-density of float32 points; and a warm-up too short to have learned a scale from one chain."""
    target = Independent(Normal(torch.zeros(2).double(), 1.0), 1).log_prob
    chains = METHODS[method](target, torch.zeros(3, 2), 5, num_warmup=40, seed=0)
    more = METHODS[method](target, chains.draws[-1], 5, num_warmup=0, step_size=chains.step_size, seed=1)
    assert more.draws.dtype == torch.float32 and torch.equal(more.step_size, chains.step_size)
    short = METHODS[method](target, torch.zeros(1, 2), 5, num_warmup=1, seed=0)
    assert (short.step_size > 0.3).all() and short.draws.isfinite().all()


def test_a_network_is_left_without_gradients():
    net = torch.nn.Linear(2, 1)
    chains = s.langevin(lambda x: normal(x) + net(x)[:, 0], torch.zeros(3, 2), 5, num_warmup=20, seed=0)
    assert net.weight.grad is None and not chains.draws.requires_grad and not chains.log_prob.requires_grad


def test_metropolis_hastings_is_in_detailed_balance_on_three_states():
    """p(i) T(i -> j) counted over 3e5 moves of a proposal that is not symmetric, beside the matrix written out."""
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    q = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.1, 0.4], [0.8, 0.1, 0.1]], dtype=torch.float64)

    def propose(x):
        new = s.discrete(q[x], 1)[:, 0]
        return new, q[new, x].log() - q[x, new].log()

    chains = s.metropolis_hastings(lambda x: 7 + p[x].log(), torch.zeros(3000, dtype=torch.long), 101, propose=propose, seed=0)
    flow = torch.zeros(9).index_add(0, (3 * chains.draws[:-1] + chains.draws[1:]).flatten(), torch.ones(3000 * 100)).view(3, 3)
    move = q * ((p[None] * q.T) / (p[:, None] * q)).clamp(max=1)
    move += torch.diag(1 - move.sum(1))
    torch.testing.assert_close(flow.double() / flow.sum(), p[:, None] * move, atol=0.004, rtol=0)
    assert (flow - flow.T).abs().max() < 4 * flow.max().sqrt()
    assert chains.draws.dtype == torch.long and chains.step_size is None


# The Boltzmann machine with three units: REFERENCES, enumerated
COUPLING = torch.tensor([[0.0, -1, -1], [-1, 0, 2], [-1, 2, 0]])
BIAS = torch.tensor([0.0, 1, 0])
STATES = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))


def boltzmann(x):
    return ((x @ COUPLING) * x).sum(-1) / 2 + x @ BIAS


def spin(i, beta=1.0):
    def conditional(x):
        up = torch.sigmoid(2 * beta * (x @ COUPLING[i] + BIAS[i]))
        x[:, i] = torch.where(torch.rand_like(up) < up, 1.0, -1.0)
        return x

    return conditional


@pytest.mark.parametrize(("scan", "mixed"), [("systematic", 120), ("random", 240)])
def test_gibbs_visits_a_boltzmann_machine_as_often_as_it_should(scan, mixed):
    """After `mixed` sweeps the second eigenvalue, 0.968 of a sweep in turn and 0.983 of one at random, has fallen to 0.02."""
    start = torch.ones(N // 5, 3)
    chains = s.gibbs([spin(0), spin(1), spin(2)], start, 5, num_warmup=mixed, thinning=mixed, scan=scan, seed=0)
    index = ((chains.flat > 0) * torch.tensor([4, 2, 1])).sum(1)
    assert chi_square(index, boltzmann(STATES).exp()) > LEAST
    assert (start == 1).all(), "the start was written into"


def test_annealing_finds_the_partition_function_of_a_boltzmann_machine():
    truth = math.log(172.4201903145)
    assert float(boltzmann(STATES).logsumexp(0)) == pytest.approx(truth, abs=1e-5)

    def sweep(x, log_density, beta):
        x = x.clone()
        for i in range(3):
            x = spin(i, beta)(x)
        return x

    path = s.geometric_path(lambda x: x.new_zeros(len(x)), boltzmann)
    exact = STATES[s.discrete(boltzmann(STATES).exp(), 2000, seed=1)]
    uniform = STATES[s.discrete(torch.ones(8), 2000, seed=2)]
    found = s.sandwich(path, uniform, exact, sweep, 30, log_normaliser=math.log(8), seed=0)
    assert abs(found.lower - truth) < 4 * found.forward.log_normaliser_error < 0.1
    assert abs(found.upper - truth) < 4 * found.backward.log_normaliser_error < 0.1
    magnetisation = found.forward.expectation(lambda x: x)
    expected = torch.tensor([-0.730641, 0.761594, 0.754215], dtype=torch.float64)
    assert ((magnetisation.mean - expected).abs() < 4 * magnetisation.standard_error).all()


@pytest.mark.parametrize(
    "kernel", [s.random_walk_kernel(0.8), s.langevin_kernel(0.8), s.hamiltonian_kernel(0.3, 5)], ids=["walk", "mala", "hmc"]
)
def test_annealing_between_gaussians_of_known_normalisers(kernel):
    """From N(0, 2^2) in 4 dimensions to a narrower one away from it; the truth is between the mean log-weights."""
    mean, sd = torch.full((4,), 1.0, dtype=torch.float64), 0.7
    first, last = Independent(Normal(torch.zeros(4).double(), 2.0), 1), Independent(Normal(mean, sd), 1)
    path = s.geometric_path(first.log_prob, lambda x: last.log_prob(x) + 5)
    torch.manual_seed(0)
    found = s.sandwich(path, first.sample((1000,)), last.sample((1000,)), kernel, torch.linspace(0, 1, 61), seed=0)
    assert abs(found.lower - 5) < 5 * found.forward.log_normaliser_error < 0.6
    assert abs(found.upper - 5) < 5 * found.backward.log_normaliser_error < 0.6
    hasty = s.sandwich(path, first.sample((1000,)), last.sample((1000,)), kernel, 5, seed=1)
    assert hasty.forward.log_weights.mean() < found.forward.log_weights.mean() < 5
    assert 5 < -found.backward.log_weights.mean() < -hasty.backward.log_weights.mean()


def test_annealing_loses_walks_outside_the_support_for_good():
    path = s.geometric_path(lambda x: x * 0, lambda x: torch.where(x < 0.25, 0.0, -math.inf))
    weighted = s.annealed_importance(path, torch.rand(N, generator=torch.Generator().manual_seed(0)), lambda x, *_: x, 4)
    assert weighted.log_normaliser == pytest.approx(math.log(0.25), abs=0.03)


# -------------------------------------------------------------------------------------------------------- diagnostics

GOLDEN = {  # arviz 0.19: R-hat, ESS of bulk, tail and mean
    "independent": [1.001115321, 1834.750672, 1894.529233, 1827.838196],
    "slow": [1.067739200, 80.500157, 264.169276, 79.910965],
    "antithetic": [1.005779731, 2322.471990, 519.793508, 2322.471990],
    "apart": [1.540594573, 7.226163, 52.903955, 7.083857],
    "ties": [1.049207215, 62.913904, 76.855541, 63.016379],
    "heavy": [1.003689867, 783.312503, 814.341612, 817.572218],
}
PARETO = {0.3: -0.037776060912, 1.0: 0.253542224027, 2.0: 0.669995837435}  # scale of log weights -> k of its psislw


def autoregression(rho, steps, chains, seed=0, dtype=torch.float64):
    noise = torch.randn(steps, chains, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    x = noise.clone()
    x[0] /= math.sqrt(1 - rho**2)
    for t in range(1, steps):
        x[t] += rho * x[t - 1]
    return x


def golden_draws(name):
    return {
        "independent": lambda: autoregression(0.0, 500, 4),
        "slow": lambda: autoregression(0.9, 400, 3),
        "antithetic": lambda: autoregression(-0.7, 400, 2),
        "apart": lambda: autoregression(0.0, 300, 4) + torch.arange(4),
        "ties": lambda: autoregression(0.5, 50, 4).round(),
        "heavy": lambda: autoregression(0.0, 200, 4) / autoregression(0.0, 200, 4, seed=1),
    }[name]()


@pytest.mark.parametrize("name", list(GOLDEN))
def test_diagnostics_are_arvizs(name):
    draws = golden_draws(name)
    ours = [float(f(draws)) for f in (diagnostics.rhat, diagnostics.ess, diagnostics.tail_ess, diagnostics.mean_ess)]
    assert ours == pytest.approx(GOLDEN[name], rel=1e-6)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_sample_size_of_an_autoregression(rho):
    draws = autoregression(rho, 20_000, 4)
    assert float(diagnostics.mean_ess(draws)) == pytest.approx(draws.numel() * (1 - rho) / (1 + rho), rel=0.1)
    expected = rho ** torch.arange(6, dtype=torch.float64)
    torch.testing.assert_close(diagnostics.autocorrelation(draws, 5).mean(1), expected, atol=0.03, rtol=0)


def test_autocorrelation_is_its_definition():
    x = autoregression(0.6, 37, 2)
    centred = x - x.mean(0)
    direct = torch.stack([(centred[: 37 - k] * centred[k:]).sum(0) for k in range(37)]) / centred.square().sum(0)
    torch.testing.assert_close(diagnostics.autocorrelation(x), direct)


def test_coordinates_that_tell_nothing_are_nan_and_leave_the_others_alone():
    draws = autoregression(0.0, 100, 4)[..., None].repeat(1, 1, 3)
    draws[..., 0], draws[3, 2, 1] = 5.0, math.inf
    for f in (diagnostics.rhat, diagnostics.ess, diagnostics.tail_ess, diagnostics.standard_error):
        values = f(draws)
        assert values.isnan().tolist() == [True, True, False]
        torch.testing.assert_close(values[2], f(draws[..., 2]))
    stuck = torch.arange(4.0).expand(100, 4)  # no chain moves, and no two agree
    assert diagnostics.rhat(stuck) > 10 and diagnostics.ess(stuck) < 10
    assert diagnostics.rhat(draws[:3, :, 2]).isnan()


def test_chains_of_two_values_have_a_tail():
    """Their 95 % quantile is the larger value, below which all draws lie: what always holds is known as well as can be."""
    flips = (torch.rand(1000, 4, generator=torch.Generator().manual_seed(0)) < 0.5).double()
    assert 0.8 * 4000 < float(diagnostics.tail_ess(flips)) <= 4000
    rare = (torch.rand(1000, 4, generator=torch.Generator().manual_seed(0)) < 0.02).double()
    assert float(diagnostics.tail_ess(rare)) > 0
    balanced = torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(50)[:, None].repeat(1, 2)  # all as far from the median, 1/2
    for f in (diagnostics.rhat, diagnostics.ess, diagnostics.tail_ess, diagnostics.mean_ess, diagnostics.standard_error):
        assert f(balanced).isfinite() and f(torch.ones(100, 2)).isnan()


def test_a_summary_has_a_row_for_each_coordinate():
    chains = s.hamiltonian(normal, torch.zeros(4, 2, 2), 100, num_warmup=100, seed=0)
    frame = chains.summary()
    assert list(frame.index) == ["x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]"]
    assert list(frame.columns) == ["mean", "sd", "mcse", "5%", "50%", "95%", "ess_bulk", "ess_tail", "rhat"]
    assert frame["mean"].tolist() == pytest.approx(chains.mean.flatten().tolist()) and chains.flat.shape == (400, 2, 2)
    assert list(s.metropolis(normal, torch.zeros(2), 10, step_size=1.0, seed=0).summary().index) == ["x"]


@pytest.mark.parametrize("num_warmup", [0, 1, 5, 19, 100, 149, 150, 151, 200, 500, 1000, 3000])
def test_windows_of_a_warm_up_fit_into_it(num_warmup):
    ends = _window_ends(num_warmup)
    assert ends == sorted(set(ends)) and ends[0] >= 0 and ends[-1] <= num_warmup
    assert _window_ends(1000) == [75, 100, 150, 250, 450, 950]


# -------------------------------------------------------------------------------------------------------- Monte Carlo


def quarter(x):
    return 4.0 * (x.square().sum(1) < 1)


def square(n):
    return torch.rand(n, 2)


def test_pi_in_the_square():
    found = s.estimate(quarter, square, 600_000, seed=0)
    assert found.n == 600_000
    assert float(found.standard_error) == pytest.approx(math.sqrt(math.pi * (4 - math.pi) / 600_000), rel=0.01)
    assert abs(found.mean - math.pi) < 3 * found.standard_error
    low, high = found.interval(0.99)
    assert float(high - low) == pytest.approx(2 * stats.norm.ppf(0.995) * float(found.standard_error))


def test_streamed_moments_are_those_of_the_whole(monkeypatch):
    x = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1e6
    whole = s.estimate(lambda x: x, x)
    monkeypatch.setattr("genus.sampling.monte_carlo.CHUNK", 64)
    parts = iter(x.split(64))
    streamed = s.estimate(lambda x: x, lambda n: next(parts), 1000)
    torch.testing.assert_close(streamed.mean, whole.mean, rtol=1e-15, atol=0)
    torch.testing.assert_close(streamed.standard_error, x.std(0) / math.sqrt(1000), rtol=1e-9, atol=0)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(300):
        low, high = s.estimate(lambda x: x**2, lambda n: torch.randn(n), 400, seed=seed).interval(0.9)
        held += bool(low < 1 < high)
    assert stats.binomtest(held, 300, 0.9).pvalue > LEAST


def test_the_error_falls_with_the_square_root():
    curve = s.sample_complexity(quarter, square, math.pi, [10, 100, 1000, 10_000], repeats=200, seed=0)
    assert curve.slope == pytest.approx(-0.5, abs=0.05)
    torch.testing.assert_close(curve.error, curve.standard_error, rtol=0.2, atol=0)


# ------------------------------------------------------------------------------------------------- seeds and mistakes

SEEDED = {
    "discrete": lambda seed: s.discrete([1, 2, 3], 20, seed=seed),
    "alias": lambda seed: s.AliasTable([1, 2, 3]).draw(20, seed=seed),
    "from_quantile": lambda seed: s.from_quantile(torch.special.ndtri, 20, seed=seed),
    "from_cdf": lambda seed: s.from_cdf(torch.special.ndtr, 20, seed=seed),
    "tabulated": lambda seed: s.tabulated([1, 2, 1], [0, 1, 2], 20, seed=seed),
    "rejection": lambda seed: s.rejection(normal, Normal(0.0, 2.0), 20, log_bound=3.0, seed=seed).draws,
    "importance": lambda seed: s.importance(normal, Normal(0.0, 2.0), 20, seed=seed).draws,
    "resample": lambda seed: s.Weighted(torch.arange(50), torch.linspace(0, 1, 50)).resample(20, seed=seed),
    "metropolis": lambda seed: s.metropolis(normal, torch.zeros(3, 2), 20, num_warmup=5, seed=seed).draws,
    "langevin": lambda seed: s.langevin(normal, torch.zeros(3, 2), 20, num_warmup=5, seed=seed).draws,
    "hamiltonian": lambda seed: s.hamiltonian(normal, torch.zeros(3, 2), 20, num_warmup=5, seed=seed).draws,
    "unadjusted": lambda seed: s.unadjusted_langevin(s.score(normal), torch.zeros(3, 2), 20, step_size=0.5, seed=seed).draws,
    "gibbs": lambda seed: s.gibbs([spin(0), spin(1)], torch.ones(9, 3), 5, scan="random", num_warmup=1, seed=seed).draws,
    "estimate": lambda seed: s.estimate(quarter, square, 100, seed=seed).mean,
}


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_decides_everything_and_disturbs_nothing(name):
    draw = SEEDED[name]
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = draw(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, draw(0)) and not torch.equal(first, draw(1))
    without = draw(None)
    assert not torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(without, draw(None))


def test_none_are_drawn_when_none_are_asked_for():
    assert s.discrete([1, 2], 0).shape == (0,) and s.AliasTable([1, 2]).draw(0).shape == (0,)
    assert s.from_cdf(torch.special.ndtr, 0).shape == (0,) and s.tabulated([1, 1], [0, 1], 0).shape == (0,)
    assert s.rejection(normal, Normal(0.0, 2.0), 0, log_bound=3.0).draws.shape == (0,)


ZERO = torch.zeros(2, 3)
MISTAKES = {
    "negative": (lambda: s.discrete([0.5, -0.1], 3), ValueError, "probabilities: holds -0.1"),
    "all zero": (lambda: s.AliasTable([0.0, 0.0]), ValueError, "all are zero"),
    "a row of zeros": (lambda: s.discrete([[1.0, 2], [0, 0]], 3), ValueError, "all are zero"),
    "NaN": (lambda: s.AliasTable([0.0, math.nan]), ValueError, "probabilities: holds nan"),
    "infinite": (lambda: s.discrete([0.0, math.inf], 3), ValueError, "probabilities: holds inf"),
    "empty": (lambda: s.discrete([], 3), ValueError, "one weight for each value"),
    "table of rows": (lambda: s.AliasTable([[1.0, 2.0]]), ValueError, "one row"),
    "n": (lambda: s.discrete([1.0], -1), ValueError, "n=-1 must be a whole number, at least 0"),
    "n float": (lambda: s.from_cdf(torch.special.ndtr, 2.5), ValueError, "n=2.5 must be a whole number"),
    "seed": (lambda: s.discrete([1.0], 1, seed=1.5), TypeError, "seed=1.5"),
    "grid order": (lambda: s.tabulated([1, 1, 1], [0, 2, 1], 3), ValueError, "grid: must be finite and increasing"),
    "grid shape": (lambda: s.tabulated([1, 1, 1], [0, 1], 3), ValueError, "have shapes"),
    "no cdf": (lambda: s.from_cdf(lambda x: x * 0 + 0.5, 3, seed=0), ValueError, "does not go from 0"),
    "bracket": (lambda: s.from_cdf(torch.special.ndtr, 3, low=2, high=1), ValueError, "low must be below high"),
    "no bracket": (lambda: s.from_cdf(torch.special.ndtr, 3, low=-math.inf), ValueError, "low=-inf and .* both finite"),
    "a word": (lambda: s.discrete("a", 3), TypeError, "probabilities: is of type str, which holds no array of real numbers"),
    "nothing": (lambda: s.AliasTable(None), TypeError, "probabilities: is of type NoneType"),
    "words": (lambda: s.tabulated([1, 1], ["a", "b"], 3), TypeError, "grid: is of type list"),
    "bound": (lambda: s.rejection(normal, Normal(0.0, 1.0), 5, log_bound=math.nan), ValueError, "log_bound=nan must be a finite"),
    "no top": (lambda: s.decoding.top_k(ZERO, 0), ValueError, "top_k=0 must be a whole number, at least 1"),
    "flat": (lambda: s.hamiltonian(lambda x: torch.zeros(len(x)), ZERO, 3), ValueError, "log_density: has no gradient"),
    "no x": (lambda: s.score(lambda x: torch.ones(2, requires_grad=True))(ZERO), ValueError, "log_density: has no gradient"),
    "event shape": (lambda: s.importance(normal, Normal(torch.zeros(2), 1.0), 5), ValueError, "Independent"),
    "all outside": (lambda: s.importance(lambda x: x * 0 - math.inf, Normal(0.0, 1.0), 5), ValueError, "all 5 draws"),
    "NaN density": (lambda: s.rejection(lambda x: x * math.nan, Normal(0.0, 1.0), 5, log_bound=0), ValueError, "is NaN"),
    "resampling": (lambda: s.Weighted(ZERO, ZERO[:, 0]).resample(method="best"), ValueError, "method='best'"),
    "start": (lambda: s.metropolis(lambda x: normal(x).log(), ZERO, 3), ValueError, "chain 0 starts where log_density is"),
    "NaN start": (lambda: s.hamiltonian(normal, ZERO * math.nan, 3), ValueError, "starts where log_density is nan"),
    "list": (lambda: s.gibbs([spin(0)], [[1.0]], 3), TypeError, "x: is of type list"),
    "no chain": (lambda: s.langevin(normal, torch.zeros(0, 3), 3), ValueError, "at least one chain"),
    "scalar": (lambda: s.langevin(normal, torch.tensor(1.0), 3), ValueError, "at least one chain"),
    "integers": (lambda: s.hamiltonian(normal, torch.zeros(2, 3, dtype=torch.long), 3), TypeError, "torch.int64"),
    "density shape": (lambda: s.metropolis(lambda x: -(x**2), ZERO, 3), ValueError, r"gave \(2, 3\)"),
    "density type": (lambda: s.metropolis(lambda x: 0.0, ZERO, 3), ValueError, "gave float"),
    "num_samples": (lambda: s.metropolis(normal, ZERO, 0), ValueError, "num_samples=0"),
    "num_warmup": (lambda: s.metropolis(normal, ZERO, 3, num_warmup=-1), ValueError, "num_warmup=-1"),
    "thinning": (lambda: s.metropolis(normal, ZERO, 3, thinning=0), ValueError, "thinning=0"),
    "no warm-up": (lambda: s.hamiltonian(normal, ZERO, 3, num_warmup=0), ValueError, "num_warmup=0; pass"),
    "step": (lambda: s.langevin(normal, ZERO, 3, step_size=-1.0), ValueError, "step_size=-1.0 must be positive"),
    "step word": (lambda: s.langevin(normal, ZERO, 3, step_size="big"), TypeError, "step_size='big'"),
    "step shape": (lambda: s.langevin(normal, ZERO, 3, step_size=torch.ones(2)), ValueError, "one for each coordinate"),
    "leapfrog": (lambda: s.hamiltonian(normal, ZERO, 3, leapfrog_steps=0), ValueError, "leapfrog_steps=0"),
    "target": (lambda: s.hamiltonian(normal, ZERO, 3, target_acceptance=1.2), ValueError, "target_acceptance=1.2"),
    "no blocks": (lambda: s.gibbs([], ZERO, 3), ValueError, "conditionals: is empty"),
    "block of another shape": (lambda: s.gibbs([spin(0), lambda x: x[0]], ZERO, 3), ValueError, "conditionals: number 1 gave shape"),
    "block that is none": (lambda: s.gibbs([lambda x: None], ZERO, 3), TypeError, "conditionals: number 0 gave NoneType"),
    "scan": (lambda: s.gibbs([spin(0)], ZERO, 3, scan="snake"), ValueError, "scan='snake'"),
    "betas": (
        lambda: s.annealed_importance(s.geometric_path(normal, normal), ZERO, s.langevin_kernel(1.0), [0, 0.5]),
        ValueError, "must rise from 0 to 1",
    ),
    "no steps": (
        lambda: s.annealed_importance(s.geometric_path(normal, normal), ZERO, s.langevin_kernel(1.0), 0),
        ValueError, "betas=0",
    ),
    "one chain": (lambda: diagnostics.rhat(torch.zeros(10)), ValueError, r"write x\[:, None\]"),
    "draws": (lambda: s.estimate(quarter, torch.zeros(0, 2)), ValueError, "at least one draw"),
    "no n": (lambda: s.estimate(quarter, square), ValueError, "n=None must be a whole number"),
    "f": (lambda: s.estimate(lambda x: x.sum(), ZERO), ValueError, "a row for each draw"),
    "level": (lambda: s.estimate(quarter, ZERO).interval(95), ValueError, "level=95"),
    "sizes": (lambda: s.sample_complexity(quarter, square, 3.0, []), ValueError, "sizes: is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_its_sentence(name):
    call, error, words = MISTAKES[name]
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- a plot


@pytest.mark.parametrize("temperature", [1e-3, 1e-37, 1e-45, 1e-300])
def test_a_low_temperature_leaves_the_likeliest_token(temperature):
    logits = torch.tensor([[3.0, 9.0, -4.0], [-70.0, -80.0, -60.0]])
    assert s.decoding.warp(logits, temperature).softmax(-1).argmax(-1).tolist() == [1, 2]
    assert s.decoding.warp(logits, temperature).softmax(-1).amax(-1).tolist() == [1.0, 1.0]


def test_a_trace_plot_shows_every_chain(monkeypatch):
    pytest.importorskip("matplotlib")
    from genus.evaluation.plots import trace_plot

    chains = s.metropolis(normal, torch.zeros(3, 2, 3), 50, num_warmup=20, seed=0)
    figure = trace_plot(chains, coordinates=5)
    assert len(figure.axes) == 10 and len(figure.axes[0].lines) == 3
    assert figure.axes[2].get_ylabel() == "x[0, 1]" and f"R-hat {chains.rhat[0, 1]:.3f}" in figure.axes[2].get_title(loc="left")
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), chains.draws[:, 1, 0, 0])
    with pytest.raises(ValueError, match="at least 2"):
        trace_plot(s.Chains(torch.zeros(1, 2)))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"genus\[plot\]"):
        trace_plot(chains)
