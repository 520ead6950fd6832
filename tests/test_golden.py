"""Golden numbers: closed forms worked out by hand, and published results on data at hand (REFERENCES.md)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import genus
from genus import Gaussian, GaussianMixture
from genus.networks.attention import Block, SelfAttention, rotate, rotations, scaled_dot_product_attention
from genus.probability import gaussians
from genus.sampling.decoding import draw, top_k, top_p, warp
from genus.spaces import Images

P = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)


def close(one, other, atol=1e-6):
    torch.testing.assert_close(torch.as_tensor(one).double(), torch.tensor(other, dtype=torch.float64), rtol=0, atol=atol)


# ------------------------------------------------------------------------------------------------------- closed forms


def test_kl_of_a_diagonal_normal_from_the_standard_one():
    """KL(N(m, diag s2) || N(0, I)) at m = (1, -2), s2 = (.5, 2) is 2.75: the cost of the VAE's own bound."""
    mean, variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 2.0]])
    model = genus.VAE(latent_dim=2, width=8, n_layers=1)
    model.fit([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]], steps=1, progress=False, device="cpu")
    model.posterior = lambda x, g: (mean, variance.log())
    _, cost = model.bound_terms(torch.zeros(1, 2), None)
    close(cost, [2.75])


def test_temperature():
    close(warp(P.log(), 0.5).softmax(-1), [0.684932, 0.246575, 0.061644, 0.006849])
    close(warp(P.log(), 2.0).softmax(-1), [0.378996, 0.293569, 0.207585, 0.119849])
    close(warp(P.log(), 1.0).softmax(-1), P.tolist())


def test_cuts():
    close(warp(P.log(), k=2).softmax(-1), [0.625, 0.375, 0, 0])
    close(warp(P.log(), p=0.75).softmax(-1), [0.625, 0.375, 0, 0])
    close(warp(P.log(), p=0.81).softmax(-1), (P[:3] / 0.95).tolist() + [0])
    close(top_p(P.log(), 1e-9).softmax(-1), [1, 0, 0, 0])
    close(top_k(P.log(), 4).softmax(-1), P.tolist())
    # the order of transformers: temperature, then top k, then the nucleus of what is left
    close(warp(P.log(), 0.5, k=3, p=0.9).softmax(-1), [0.684932 / 0.931507, 0.246575 / 0.931507, 0, 0], atol=2e-6)


def test_draws_have_the_probabilities_of_their_logits():
    torch.manual_seed(0)
    n = 40_000
    counts = torch.bincount(draw(P.log().expand(n, 4)), minlength=4).double()
    chi2 = float(((counts - n * P).square() / (n * P)).sum())
    assert chi2 < 16.27  # three degrees of freedom, one in a thousand


def test_attention():
    q = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    v = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float64)
    close(scaled_dot_product_attention(q, q, v), [[3, 4], [3.406673, 4.406673], [3.510470, 4.510470]])
    causal = scaled_dot_product_attention(q, q, v, causal=True)
    close(causal, [[1, 2], [2.339523, 3.339523], [3.510470, 4.510470]])


def test_attention_is_permutation_equivariant():
    make = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(5, 4, generator=make) for _ in range(3))
    order = torch.randperm(5, generator=make)
    out = scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(scaled_dot_product_attention(q[order], k[order], v[order]), out[order])
    torch.testing.assert_close(scaled_dot_product_attention(q, k[order], v[order]), out)


def test_layer_normalisation_of_a_block():
    norm = Block(4, 1).norm_attention
    norm.eps = 0.0
    close(norm(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).detach(), [[-1.341641, -0.447214, 0.447214, 1.341641]])


def test_rotary_positions_are_the_sinusoids():
    """Position 1, d = 4: sin 1, cos 1, sin .01, cos .01; and only the distance of two positions matters."""
    turn = rotations(8, 4, torch.device("cpu"))[1]
    close(torch.stack([turn.imag, turn.real], 1).flatten(), [0.841471, 0.540302, 0.01, 0.99995])
    make = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 4, generator=make).expand(8, 4).contiguous() for _ in range(2))
    q, k = rotate(q, rotations(8, 4, q.device)), rotate(k, rotations(8, 4, k.device))
    products = q @ k.T
    for distance in range(4):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-4, atol=1e-5)


def test_self_attention_by_hand():
    """One head of two numbers at position 0 and 1, with the rotation written out."""
    attention = SelfAttention(2, 1).double()
    make = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 2, generator=make, dtype=torch.float64)
    q, k, v = (x[0] @ w.T for w in attention.qkv.weight.detach().chunk(3))
    turn = torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]], dtype=torch.float64)
    q, k = torch.stack([q[0], turn @ q[1]]), torch.stack([k[0], turn @ k[1]])
    weights = (q[1] @ k.T / math.sqrt(2)).softmax(0)
    want = torch.stack([v[0], weights @ v]) @ attention.out.weight.detach().T
    torch.testing.assert_close(attention(x)[0].detach(), want, rtol=1e-5, atol=1e-6)  # the table of rotations is float32


def test_normal_density_at_its_mean():
    x = torch.zeros(1, 2, dtype=torch.float64)
    cov = torch.tensor([[[2.0, 1.0], [1.0, 2.0]]], dtype=torch.float64)
    close(gaussians.log_density(x, x, cov, "full")[0], [-math.log(2 * math.pi) - 0.5 * math.log(3)], atol=1e-12)


# --------------------------------------------------------------------------------------------------------------- iris


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    return load_iris().data


def test_iris_single_gaussian(iris):
    model = Gaussian().fit(iris, progress=False)
    assert model.score(iris) == pytest.approx(-2.532764, abs=1e-6)
    assert model.likelihood_kind == "exact"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_iris_mixture_of_three(iris, seed):
    """-180.1855, best of restarts: plain maximum likelihood."""
    model = GaussianMixture(n_components=3, n_init=5, support=0.0, tol=1e-9, max_iter=1000)
    assert model.fit(iris, seed=seed, progress=False).log_likelihood(iris).total == pytest.approx(-180.1855, abs=1e-3)


def test_iris_bic_of_two_is_mclusts(iris):
    model = GaussianMixture(n_components=2, n_init=3, support=0.0, tol=1e-9, max_iter=1000).fit(iris, progress=False)
    assert -model.bic(iris) == pytest.approx(-574.018, abs=2e-3)
    assert model.degrees_of_freedom == 29
    scores = model.log_likelihood(iris)
    assert model.aic(iris) == pytest.approx(2 * 29 - 2 * scores.total)
    bics = {k: GaussianMixture(n_components=k, n_init=3, support=0.0).fit(iris, progress=False).bic(iris) for k in (1, 3)}
    assert model.bic(iris) < min(bics.values())


def test_iris_principal_axes_are_those_of_the_covariance(iris):
    """The covariance is U S^2 U' / M: singular values 25.09996, 6.013147, 3.413681, 1.884524."""
    model = Gaussian().fit(iris, progress=False)
    _, scale = model.space.location_scale
    covariance = model.covariance * scale[:, None] * scale
    singular = (torch.linalg.eigvalsh(covariance).flip(0) * len(iris)).sqrt()
    close(singular, [25.09996, 6.013147, 3.413681, 1.884524], atol=2e-5)
    close(singular.square() / singular.square().sum(), [0.924619, 0.053066, 0.017103, 0.005212])


# ------------------------------------------------------------------------------------------------------------- digits


@pytest.fixture(scope="module")
def digits():
    """The first 1437 and the last 360 of scikit-learn's digits, 8 x 8 of 17 levels; scored through x + U[0, 1]."""
    from sklearn.datasets import load_digits

    from genus.data import examples_of

    images = load_digits().images.astype(np.uint8)
    space = Images(1, 8, 8, levels=17, layout="nhw")
    return examples_of(images[:1437], space=space), examples_of(images[1437:], space=space)


def test_digits_full_gaussian(digits):
    score = Gaussian().fit(digits[0], progress=False).log_likelihood(digits[1])
    assert score.kind == "lower bound" and len(score) == 360
    assert score.mean == pytest.approx(-130.83, abs=0.1)
    assert score.bits_per_dim == pytest.approx(130.83 / 64 / math.log(2), abs=0.005)


def test_digits_mixture_of_ten(digits):
    score = GaussianMixture(n_components=10, max_iter=40, tol=1e-3).fit(digits[0], progress=False).log_likelihood(digits[1])
    assert score.mean >= -127.9
    assert score.mean < -90  # and no better than can be: a leak of units or of test data would be
