"""Training a variational autoencoder: pythae's own trainer and genus's `fit`, on the same networks and batches.

Both learn a Bernoulli likelihood of binary images with networks built from genus.networks, so that a step is the same
arithmetic and the final bounds can be compared. What differs is all around it: how batches are made, how the loss is
computed, whether the optimiser is fused. genus also clips gradients and keeps a moving average of the parameters,
its defaults, and pays for them: a sixth of a step of the small perceptron.
"""

from __future__ import annotations

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


MLP = Work((1, 28, 28), 20, 400, "mlp", 6400, 64, 3)
CONVOLUTIONAL = Work((3, 32, 32), 64, 256, "convolutional", 1280, 64, 1)


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


def pythae_model(work: Work) -> Any:
    """pythae's VAE on the same networks."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    from genus.networks.convolution import ConvolutionalDecoder, ConvolutionalEncoder
    from genus.networks.mlp import MLP as Perceptron

    channels, height, width = work.shape
    convolves, dims = work.architecture == "convolutional", channels * height * width

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            if convolves:
                self.body = ConvolutionalEncoder(channels, height, width, 2 * work.latent_dim, hidden=work.width // 8)
            else:
                self.body = Perceptron(dims, 2 * work.latent_dim, width=work.width, n_layers=1)

        def forward(self, x: Any) -> Any:
            x = 2 * x - 1  # what genus shows its networks of 0 and 1
            mean, log_variance = self.body(x if convolves else x.flatten(1)).chunk(2, 1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            if convolves:
                self.body = ConvolutionalDecoder(work.latent_dim, channels, height, width, hidden=work.width // 8)
            else:
                self.body = Perceptron(work.latent_dim, dims, width=work.width, n_layers=1)

        def forward(self, z: Any) -> Any:
            return ModelOutput(reconstruction=self.body(z).sigmoid().reshape(len(z), *work.shape))

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
        ("conv", "training a convolutional VAE (32, 64, 128, 256, 512 channels) on 32x32x3, batch 64", CONVOLUTIONAL),
    )
]
