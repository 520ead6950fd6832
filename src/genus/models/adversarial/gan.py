"""The generative adversarial network: a forger and a critic learn from each other.

    min_G max_D  E_data[log D(x)] + E_z[log(1 - D(G(z)))],    z ~ N(0, I)

For a fixed generator the best critic is D*(x) = p_data(x) / (p_data(x) + p_G(x)), and the value is then
2 JS(p_data, p_G) - log 4: least where p_G = p_data. D = sigmoid of a network's output, so that

    -log D = softplus(-output),    -log(1 - D) = softplus(output)

The zero-sum generator minimises log(1 - D(G(z))), which is flat exactly when the critic is winning; practice minimises
-log D(G(z)) instead, the non-saturating loss. The critic pays for the slope of its output at real points,
(gamma_t / 2) E |grad_x output(x)|^2, without which the game circles and does not settle (R1: Mescheder et al. 2018). Its
price falls geometrically from `gamma_start` to `gamma` for each dimension: a smooth critic first finds where the data are, a
sharp one then what they look like. That the price grows with the number of pixels is Karras et al. 2020's rule (StyleGAN2).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genus.fields import Count, Depth, NonNegative
from genus.learning import LearnsByGradient, Player, Recipe
from genus.model import CanSample, Conditional
from genus.networks.coders import Decoder, Encoder, convolves
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table


class GAN(LearnsByGradient, CanSample, Conditional):
    """Generative adversarial network: a generator learns to pass for the data before a critic that learns to tell.

    Samples only: it has no likelihood. Whole numbers are played with as x + u, u ~ U[0, 1), and rounded down at the end.

    Goodfellow et al. 2014, arXiv:1406.2661; R1: Mescheder et al. 2018, arXiv:1801.04406; given: Mirza & Osindero 2014.
    """

    spaces: ClassVar = (Reals, Images, Binary, Table, Sequence)
    takes = LearnsByGradient.takes - {"validation"}  # either loss tells who is winning, not how good the samples are
    recipe: ClassVar[Recipe] = Recipe(
        steps=4000, epochs=20, learning_rate=1e-3, betas=(0.5, 0.99), decay="late", clip=None, average=0.999
    )

    latent_dim: Count = 16  # numbers in the noise z that a point is made of
    objective: Literal["non_saturating", "zero_sum"] = "non_saturating"  # what the generator minimises
    gamma: NonNegative = 2e-3  # price of the critic's slope at real points (R1), for each dimension of a point
    gamma_start: NonNegative = 0.3  # the same price at the start of a run, for the whole point
    width: Count = 256  # numbers in a hidden layer; of a convolution, an eighth as channels
    n_layers: Depth = 3  # hidden layers of each network
    architecture: Literal["auto", "mlp", "convolutional"] = "auto"  # auto: convolutional for images from 16 pixels a side

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if not space.continuous:
            instead = "use HiddenMarkov, or cut them to one length" if space.ragged else "keep its numeric columns, or use a VAE"
            return f"its generator makes numbers of one shape, but this is {space!r}; {instead}"
        return space.complaint()

    def build(self, space: Space) -> None:
        shape: dict[str, Any] = {
            "width": self.width, "n_layers": self.n_layers, "dropout": 0.0, "architecture": self.architecture,
            "given": self.given_dims, "activation": lambda: nn.LeakyReLU(0.2),
        }  # fmt: skip
        self.generator = Decoder(space, self.latent_dim, outputs=space.dims, **shape)
        self.critic = Encoder(space, 1, **shape)
        self.channels_last = convolves(space, self.architecture)

    def players(self) -> list[Player]:
        return [Player("critic", (self.critic,), self.critic_loss), Player("generator", (self.generator,), self.generator_loss)]

    def critic_loss(self, x: Tensor, g: Tensor | None) -> Tensor:
        space = self.fitted_space
        real = space.standardise(space.dequantise(x))[0].float().reshape(len(x), *space.shape)
        real.requires_grad_(self.gamma > 0)
        with torch.no_grad():
            fake = self.imagine(len(x), g)
        on_real, on_fake = self.critic(torch.cat([real, fake]), None if g is None else torch.cat([g, g])).float().chunk(2)
        loss = F.softplus(-on_real) + F.softplus(on_fake)  # (n, 1)
        if self.gamma > 0 and torch.is_grad_enabled():
            (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
            loss = loss + 0.5 * self._slope_price() * slope.flatten(1).square().sum(1, keepdim=True)
        return loss[:, 0]

    def _slope_price(self) -> float:
        """gamma_t, between gamma_start and gamma * dims."""
        end = self.gamma * self.fitted_space.dims
        start = max(self.gamma_start, end)
        return start * (end / start) ** self.elapsed

    def generator_loss(self, x: Tensor, g: Tensor | None) -> Tensor:
        output = self.critic(self.imagine(len(x), g), g).float()[:, 0]
        return F.softplus(-output) if self.objective == "non_saturating" else -F.softplus(output)

    def imagine(self, n: int, g: Tensor | None) -> Tensor:
        """G(z) for n fresh z, in standardised coordinates: (n, *shape)."""
        z = torch.randn(n, self.latent_dim, device=self.device)
        return self.generator(z, g).reshape(n, *self.fitted_space.shape)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self.fitted_space.from_standardised(self.imagine(n, g).flatten(1).float())
