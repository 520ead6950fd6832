"""Multilayer perceptrons: straight maps with bends between them, for numbers that stand side by side in no order."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class MLP(nn.Module):
    """(n, inputs) -> (n, outputs) through n_layers hidden layers: linear, activation, dropout; then linear.

    Rumelhart, Hinton & Williams 1986; SiLU: Hendrycks & Gimpel 2016, arXiv:1606.08415; dropout: Srivastava et al. 2014.
    activation makes a module; with n_layers=0 the map is linear.

    Weights start as torch starts them, uniform within +-1/sqrt(inputs): that contracts, so a fresh decoder stands
    near its bias and a fresh encoder near the prior, which is where learning should start.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 256,
        n_layers: int = 2,
        activation: Callable[[], nn.Module] = nn.SiLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(n_layers):
            layers.append(nn.Linear(inputs, width))
            layers.append(activation())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            inputs = width
        layers.append(nn.Linear(inputs, outputs))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # (..., outputs)
