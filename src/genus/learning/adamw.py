"""AdamW: a step against the gradient's mean, measured by its spread, and a decay apart from both.

    m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2,    p <- (1 - lr w) p - lr m' / (sqrt(v') + eps)

with m' = m / (1 - b1^t) and v' = v / (1 - b2^t). Loshchilov & Hutter 2019, arXiv:1711.05101.

The arithmetic is torch's fused kernel. torch.optim.AdamW spends as long on the way to it as a small model in it, and the
kernel walks through memory: a convolution's channels_last weight it would copy to another order and back, five times the
work of the step, and moments that lie in another order than their parameter it would mix up without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EPS = 1e-8


class AdamW:
    """Moves parameters, each with its weight decay w; betas: how much of the mean and of the spread a step keeps."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], decays: Sequence[float], *, lr: float, betas: tuple[float, float]
    ) -> None:
        self.parameters, self.lr, self.betas = parameters, lr, betas
        self.mean = [torch.zeros_like(p, requires_grad=False) for p in parameters]  # m
        self.spread = [torch.zeros_like(p, requires_grad=False) for p in parameters]  # v
        self.steps = torch.zeros(len(parameters), device=parameters[0].device)  # t: those with a gradient
        self.alike = {w: [i for i, mine in enumerate(decays) if mine == w] for w in decays}  # by weight decay: one call each
        self.grad_scale: Tensor | None = None  # what the next step divides the gradient by

    def clip(self, norm: float) -> None:
        """Have the next step shorten the gradient to this norm: the kernel divides as it reads, a pass less."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if gradients:
            self.grad_scale = (torch.stack(torch._foreach_norm(gradients)).norm() / norm).clamp_(min=1.0)

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient, and forget it."""
        gradients = [p.grad for p in self.parameters]
        whole = all(g is not None for g in gradients)
        self.steps += 1 if whole else self.steps.new_tensor([g is not None for g in gradients])
        steps = self.steps.unbind()
        for decay, alike in self.alike.items():
            moving = [(i, g) for i in alike if (g := gradients[i]) is not None]
            if moving:
                torch._fused_adamw_(
                    [_in_memory(self.parameters[i]) for i, _ in moving],
                    [_in_memory(_laid_out_as(self.parameters[i], g)) for i, g in moving],
                    [_in_memory(self.mean[i]) for i, _ in moving],
                    [_in_memory(self.spread[i]) for i, _ in moving],
                    [],
                    [steps[i] for i, _ in moving],
                    lr=self.lr, beta1=self.betas[0], beta2=self.betas[1], weight_decay=decay, eps=EPS,
                    amsgrad=False, maximize=False, grad_scale=self.grad_scale, found_inf=None,
                )  # fmt: skip
        for p in self.parameters:
            p.grad = None

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs, by name: the tensors themselves."""
        moments = {f"{name}/{i}": t for name, of in (("m", self.mean), ("v", self.spread)) for i, t in enumerate(of)}
        return {"t": self.steps, **moments}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave, laid out as it is here."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def _laid_out_as(p: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the order of its parameter, as autograd leaves it; a bucket of several processes may have another."""
    return gradient if gradient.stride() == p.stride() else torch.empty_like(p).copy_(gradient)


def _in_memory(t: Tensor) -> Tensor:
    """The same numbers in the order they lie in."""
    return t if t.is_contiguous() else t.as_strided((t.numel(),), (1,))
