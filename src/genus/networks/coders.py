"""Encoders and decoders: the network that suits a space, between its features and a code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from genus.networks.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from genus.networks.mlp import MLP
from genus.spaces import Images, Space

Architecture = Literal["auto", "mlp", "convolutional"]
SMALLEST_CONVOLVED = 16  # pixels a side: on smaller images a perceptron is as good and faster


def convolves(space: Space, architecture: Architecture) -> bool:
    """Whether the networks of a space are convolutional. Raises ValueError where that makes no sense."""
    if architecture == "auto":
        return isinstance(space, Images) and min(space.height, space.width) >= SMALLEST_CONVOLVED
    if architecture == "convolutional" and len(space.shape) != 3:
        raise ValueError(f"architecture='convolutional' needs images (channels, height, width), not {space!r}; use 'mlp'")
    return architecture == "convolutional"


class Encoder(nn.Module):
    """Features (n, *feature_shape) and what they are given (n, given) -> (n, outputs)."""

    def __init__(
        self,
        space: Space,
        outputs: int,
        *,
        given: int = 0,
        width: int,
        n_layers: int,
        dropout: float,
        architecture: Architecture,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        self.convolutional = convolves(space, architecture)
        if self.convolutional:
            channels, height, rows = space.feature_shape
            self.body: nn.Module = ConvolutionalEncoder(
                channels + given, height, rows, outputs, hidden=max(16, width // 8), activation=activation
            )
        else:
            inputs = torch.Size(space.feature_shape).numel() + given
            self.body = MLP(inputs, outputs, width=width, n_layers=n_layers, dropout=dropout, activation=activation)

    def forward(self, features: Tensor, given: Tensor | None = None) -> Tensor:
        if not self.convolutional:
            features = features.flatten(1)
        if given is not None:  # beside the numbers of a vector, or as planes of one value behind an image
            planes = given[:, :, None, None].expand(-1, -1, *features.shape[2:]) if self.convolutional else given
            features = torch.cat([features, planes], 1)
        return self.body(features)


class Decoder(nn.Module):
    """Codes (n, latent_dim) and what is given (n, given) -> (n, outputs), or planes (n, per_pixel * channels, h, w)."""

    def __init__(
        self,
        space: Space,
        latent_dim: int,
        *,
        outputs: int,
        given: int = 0,
        width: int,
        n_layers: int,
        dropout: float,
        architecture: Architecture,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        if convolves(space, architecture):
            _, height, rows = space.shape
            self.body: nn.Module = ConvolutionalDecoder(
                latent_dim + given, outputs // (height * rows), height, rows, hidden=max(16, width // 8), activation=activation
            )
        else:
            self.body = MLP(latent_dim + given, outputs, width=width, n_layers=n_layers, dropout=dropout, activation=activation)

    def forward(self, z: Tensor, given: Tensor | None = None) -> Tensor:
        return self.body(z if given is None else torch.cat([z, given], 1))
