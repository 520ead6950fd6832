"""The variational autoencoder: a hidden code z explains each x.

    p(x) = int p(x|z) p(z) dz,   p(z) = N(0, I),   p(x|z) a decoder network and an observation head

    log p(x) >= E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))        the evidence lower bound (ELBO)

q(z|x) = N(mu(x), sigma^2(x)) is an encoder network. Written z = mu + sigma * eps, eps ~ N(0, I), the bound has a gradient in
both networks; its second term is in closed form:

    KL = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from genus.fields import Count, Depth, NonNegative, Share
from genus.learning import LearnsByGradient, Recipe
from genus.model import CanSample, Conditional, HasElbo, HasLatent
from genus.networks.coders import Decoder, Encoder, convolves
from genus.probability.heads import observation_head
from genus.spaces import Encoded, Space, Tokens

LOG_VARIANCE = (-12.0, 4.0)  # of q(z|x): beyond, exp overflows before the bound has pulled it back
WARM_UP = 0.3  # share of a run in which the price of the code rises to its own: at once, and a code may never come into use
ROWS = 1024  # codes decoded at once in a bound of many samples: more leave the cache, and a convolution is a quarter slower


class VAE(LearnsByGradient, CanSample, HasElbo, HasLatent, Conditional):
    """Variational autoencoder: a hidden code z explains each x.

    log p(x) >= E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)). With more samples the importance-weighted bound
    log mean_s p(x, z_s) / q(z_s|x) rises towards log p(x) (Burda et al. 2016). In training the second term comes in slowly
    (Bowman et al. 2016). What is missing in a table has no term, and nothing is missing in a sample.

    Kingma & Welling 2014, arXiv:1312.6114; beta != 1: Higgins et al. 2017; given: Sohn et al. 2015.
    """

    takes_missing: ClassVar[bool] = True  # a table's: a missing cell has no term in log p(x|z)
    recipe: ClassVar[Recipe] = Recipe(
        steps=2400, epochs=20, learning_rate=2e-3, weight_decay=0.01, decay="constant", average=0.999, betas=(0.9, 0.99)
    )

    latent_dim: Count = 16  # numbers in the code z
    beta: NonNegative = 1.0  # price of a nat of code in training; the bound itself never changes with beta
    width: Count = 256  # numbers in a hidden layer; of a convolution, an eighth as channels
    n_layers: Depth = 2  # hidden layers of each network
    dropout: Share = 0.1  # share of hidden numbers left out in training
    architecture: Literal["auto", "mlp", "convolutional"] = "auto"  # auto: convolutional for images from 16 pixels a side
    head: str | None = None  # observation head p(x|z): of images discretised_logistic (the default) or categorical; others have one

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if space.ragged:
            instead = "GPT" if isinstance(space, Tokens) else "HiddenMarkov"
            return f"its decoder gives points of one length, but these are {space!r}; use {instead}, or cut them to one length"
        return space.complaint()

    def build(self, space: Space) -> None:
        self.observation = observation_head(space, self.head)
        shape: dict[str, Any] = {
            "width": self.width, "n_layers": self.n_layers, "dropout": self.dropout, "architecture": self.architecture,
            "given": self.given_dims,
        }  # fmt: skip
        self.encoder = Encoder(space, 2 * self.latent_dim, **shape)
        self.decoder = Decoder(space, self.latent_dim, outputs=self.observation.outputs, **shape)
        self.channels_last = convolves(space, self.architecture)

    def posterior(self, x: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x): (n, latent_dim) each."""
        mean, log_variance = self.encoder(self.fitted_space.features(x), g).float().chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCE)

    def bound_terms(self, x: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor]:
        """log p(x|z) at one z ~ q(z|x), and KL(q(z|x) || p(z)): (n,) each, nats."""
        mean, log_variance = self.posterior(x, g)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        cost = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)  # KL of variances, not of deviations
        return self.observation.log_prob(self.decoder(z, g), x), cost

    def loss(self, x: Tensor, g: Tensor | None) -> Tensor:
        fit, cost = self.bound_terms(x, g)
        return self.beta * min(1.0, self.elapsed / WARM_UP) * cost - fit

    def elbo_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        fit, cost = self.bound_terms(x, g)
        return fit - cost

    def validation_loss(self, x: Tensor, g: Tensor | None) -> Tensor:
        return -self.elbo_of(x, g) if self.beta > 0 else self.loss(x, g)

    def log_weights(self, x: Tensor, g: Tensor | None, samples: int) -> Tensor:
        mean, log_variance = self.posterior(x, g)
        n, at_once = len(x), max(1, ROWS // len(x))
        weights = []
        for start in range(0, samples, at_once):
            s = min(at_once, samples - start)
            eps = torch.randn(s, *mean.shape, device=mean.device)  # (s, n, latent_dim)
            z = mean + (0.5 * log_variance).exp() * eps
            repeated = x.expand(s, *x.shape).flatten(0, 1)  # (s n, *shape)
            h = self.decoder(z.flatten(0, 1), None if g is None else g.expand(s, *g.shape).flatten(0, 1))
            fit = self.observation.log_prob(h, repeated).reshape(s, n)
            # log p(z) - log q(z|x): the constants of the two normal densities cancel
            weights.append(fit + 0.5 * (eps.square() - z.square() + log_variance).sum(2))
        return torch.cat(weights)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self.observation.sample(self.decoder(torch.randn(n, self.latent_dim, device=self.device), g))

    def code_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        return self.posterior(x, g)[0]

    def point_of(self, z: Tensor, g: Tensor | None) -> Encoded:
        return self.observation.mode(self.decoder(z, g))
