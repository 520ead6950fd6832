"""Training a variational autoencoder: pythae's own trainer and genus's `fit`, on the same architecture and batches.

Both learn a Bernoulli likelihood of binary images with the same layers, as many parameters (which is checked) and torch's
initial distribution, so that a step is the same arithmetic and the final bounds can be compared (which they are). pythae's
networks are what its user writes: nn.Conv2d, nn.GroupNorm and the like on (n, channels, height, width). What differs is how
layers and gradients are computed, how batches are made and whether the optimiser is fused. genus also clips gradients and
keeps a moving average of the parameters, its defaults, and pays for them.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch


@dataclass(frozen=True)
class Work:
    shape: tuple[int, int, int]
    latent_dim: int
    width: int  # of an MLP's hidden layer; of a convolution, 8 times its first channels
    architecture: str
    n: int
    batch_size: int
    epochs: int
    channels: tuple[int, ...] = ()  # of each convolution


MLP = Work((1, 28, 28), 20, 400, "mlp", 6400, 64, 3)
CONVOLUTIONAL = Work((3, 32, 32), 64, 256, "convolutional", 1280, 64, 1, (32, 64, 128, 256))


def images(work: Work) -> Any:
    """Binary blobs (n, *shape) uint8: where a random sum of smooth bumps is above zero."""
    import torch

    torch.manual_seed(0)
    channels, height, width = work.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    centres, signs = torch.rand(work.n, channels, 5, 2) * 2 - 1, torch.randn(work.n, channels, 5)
    field = sum(
        signs[:, :, k, None, None]
        * torch.exp(-8 * ((y - centres[:, :, k, 0, None, None]) ** 2 + (x - centres[:, :, k, 1, None, None]) ** 2))
        for k in range(5)
    )
    return (field > 0.05).to(torch.uint8)


def genus_model(work: Work) -> Any:
    import genus

    return genus.VAE(latent_dim=work.latent_dim, width=work.width, n_layers=1, dropout=0.0, architecture=work.architecture)


def encoder(work: Work) -> Any:
    """What genus builds for the work, as one writes it with torch.nn: (n, *shape) -> (n, 2 latent_dim)."""
    from torch import nn

    channels, height, width = work.shape
    if work.architecture == "mlp":
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * height * width, work.width), nn.SiLU(),
            nn.Linear(work.width, 2 * work.latent_dim),
        )  # fmt: skip
    layers: list[Any] = []
    for wider in work.channels:
        layers += [nn.Conv2d(channels, wider, 4, 2, 1, bias=False), nn.GroupNorm(wider // 16, wider), nn.SiLU()]
        channels, height, width = wider, height // 2, width // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, 2 * work.latent_dim))


def decoder(work: Work) -> Any:
    """Its mirror: (n, latent_dim) -> logits (n, *shape)."""
    from torch import nn

    channels, height, width = work.shape
    if work.architecture == "mlp":
        return nn.Sequential(
            nn.Linear(work.latent_dim, work.width), nn.SiLU(),
            nn.Linear(work.width, channels * height * width), nn.Unflatten(1, work.shape),
        )  # fmt: skip
    *finer, wide = work.channels
    coarsest = (wide, height // 2 ** len(work.channels), width // 2 ** len(work.channels))
    layers: list[Any] = [nn.Linear(work.latent_dim, math.prod(coarsest)), nn.Unflatten(1, coarsest)]
    for narrow in reversed(finer):
        layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.GroupNorm(narrow // 16, narrow), nn.SiLU()]
        wide = narrow
    return nn.Sequential(*layers, nn.ConvTranspose2d(wide, channels, 4, 2, 1))


def pythae_model(work: Work) -> Any:
    """pythae's VAE on those networks."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = encoder(work)

        def forward(self, x: Any) -> Any:
            mean, log_variance = self.body(2 * x - 1).chunk(2, 1)  # genus, too, shows its networks -1 and 1
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = decoder(work)

        def forward(self, z: Any) -> Any:
            return ModelOutput(reconstruction=self.body(z).sigmoid())

    config = VAEConfig(input_dim=work.shape, latent_dim=work.latent_dim, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(), decoder=Decoder())


def ours(work: Work) -> Measured:
    x = images(work)
    fit = {"batch_size": work.batch_size, "learning_rate": 1e-3, "progress": False}
    genus_model(work).fit(x[: 2 * work.batch_size], epochs=1, **fit)  # warms up torch
    model = genus_model(work)
    with stopwatch() as clock:
        model.fit(x, epochs=work.epochs, **fit)
    value = {"images": work.n * work.epochs, "parameters": model.n_parameters, "elbo": model.elbo(x[:1000]).mean}
    return Measured(work.n * work.epochs / clock.seconds, value)


def theirs(work: Work) -> Measured:
    import logging

    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    x = images(work)

    def train(x: Any, epochs: int) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = pythae_model(work)
            config = BaseTrainerConfig(
                output_dir=folder, num_epochs=epochs, learning_rate=1e-3, optimizer_cls="AdamW",
                per_device_train_batch_size=work.batch_size, no_cuda=True,
            )  # fmt: skip
            data = BaseDataset(x.float(), torch.zeros(len(x)))
            with stopwatch() as clock:
                BaseTrainer(model, train_dataset=data, training_config=config).train()
            return model.eval(), clock.seconds

    train(x[: 2 * work.batch_size], 1)
    model, seconds = train(x, work.epochs)
    with torch.no_grad():
        elbo = -float(model({"data": x[:1000].float()}).loss)
    parameters = sum(p.numel() for p in model.parameters())
    value = {"images": work.n * work.epochs, "parameters": parameters, "elbo": elbo}
    return Measured(work.n * work.epochs / seconds, value)


ROWS = [
    Row(
        name=f"vae-{name}",
        what=what,
        unit="images/s",
        ours=partial(ours, work),
        theirs=partial(theirs, work),
        peer="pythae",
        needs=("pythae",),
        target=1.5,
        agree={"images": 0, "parameters": 0, "elbo": 0.1},  # the optimisers differ, and so do their few first steps
    )
    for name, what, work in (
        ("mlp", "training a VAE 784-400-40 on 28x28, batch 64", MLP),
        ("conv", "training a convolutional VAE (32, 64, 128, 256 channels) on 32x32x3, batch 64", CONVOLUTIONAL),
    )
]
