"""AdamW: a step against the gradient's mean, measured by its spread, and a decay apart from both.

    m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2,    p <- (1 - lr w) p - lr m' / (sqrt(v') + eps)

with m' = m / (1 - b1^t) and v' = v / (1 - b2^t). Loshchilov & Hutter 2019, arXiv:1711.05101.

The arithmetic is torch's fused kernel. torch.optim.AdamW spends as long on the way to it as a small model in it, and the
kernel walks through memory: a convolution's channels_last weight it would copy to another order and back, five times the
work of the step, and moments that lie in another order than their parameter it would mix up without a word.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

EPS = 1e-8


class AdamW(torch.optim.Optimizer):
    """groups: {"params", "weight_decay"} each; betas: how much of the mean and of the spread a step keeps."""

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas})
        self.grad_scale: Tensor | None = None  # what the next step divides the gradient by

    def clip(self, norm: float) -> None:
        """Have the next step shorten the gradient to this norm: the kernel divides as it reads, a pass less."""
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if gradients:
            self.grad_scale = (torch.stack(torch._foreach_norm(gradients)).norm() / norm).clamp_(min=1.0)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            states = [self.state[p] or self._begin(p) for p in moving]
            steps = [state["step"] for state in states]
            if steps:
                torch._foreach_add_(steps, 1)
                torch._fused_adamw_(
                    [_in_memory(p) for p in moving],
                    [_in_memory(_laid_out_as(p, p.grad)) for p in moving],
                    [_in_memory(state["exp_avg"]) for state in states],
                    [_in_memory(state["exp_avg_sq"]) for state in states],
                    [],
                    steps,
                    lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], weight_decay=group["weight_decay"], eps=EPS,
                    amsgrad=False, maximize=False, grad_scale=self.grad_scale, found_inf=None,
                )  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, and the moments laid out as their parameters are."""
        super().load_state_dict(state_dict)
        for p, state in self.state.items():
            self.state[p] = {name: torch.empty_like(p).copy_(t) if t.dim() else t for name, t in state.items()}

    def _begin(self, p: Tensor) -> dict[str, Tensor]:
        # named as torch's, so that checkpoints of either are the other's
        self.state[p] = {
            "step": torch.zeros((), device=p.device), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)
        }  # fmt: skip
        return self.state[p]


def _laid_out_as(p: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the order of its parameter, as autograd leaves it; a bucket of several processes may have another."""
    return gradient if gradient.stride() == p.stride() else torch.empty_like(p).copy_(gradient)


def _in_memory(t: Tensor) -> Tensor:
    """The same numbers in the order they lie in."""
    return t if t.is_contiguous() else t.as_strided((t.numel(),), (1,))
