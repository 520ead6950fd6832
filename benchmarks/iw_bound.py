"""The importance-weighted bound log (1/S) sum_s p(x, z_s) / q(z_s|x) of a convolutional VAE, S = 100.

pythae's `get_nll` and genus's `log_likelihood` of the same weights: the two estimates must agree.
"""

from __future__ import annotations

from typing import Any

from benchmarks import vae
from benchmarks.harness import Measured, Row, stopwatch

SAMPLES, IMAGES = 100, 20
WORK = vae.CONVOLUTIONAL


def fitted() -> tuple[Any, Any]:
    """A briefly trained model, the same in every process, and images to score."""
    x = vae.images(WORK)
    model = vae.genus_model(WORK).fit(x[:640], steps=20, batch_size=64, learning_rate=1e-3, progress=False)
    return model, x[-IMAGES:]


def ours() -> Measured:
    model, x = fitted()
    model.log_likelihood(x[:2], samples=SAMPLES)
    with stopwatch() as clock:
        score = model.log_likelihood(x, samples=SAMPLES)
    return Measured(SAMPLES * IMAGES / clock.seconds, {"log_likelihood": score.mean})


def theirs() -> Measured:
    import torch

    model, x = fitted()
    peer = vae.pythae_model(WORK)
    for copy, network in ((peer.encoder, model.encoder), (peer.decoder, model.decoder)):  # the same layers by other names
        copy.load_state_dict(dict(zip(copy.state_dict(), network.state_dict().values(), strict=True)))
    peer.eval()
    x = x.float()
    with torch.no_grad():
        peer.get_nll(x[:1], n_samples=SAMPLES, batch_size=SAMPLES)
        with stopwatch() as clock:
            score = peer.get_nll(x, n_samples=SAMPLES, batch_size=SAMPLES)
    return Measured(SAMPLES * IMAGES / clock.seconds, {"log_likelihood": float(score)})


ROWS = [
    Row(
        name="iw-bound",
        what=f"importance-weighted bound of a convolutional VAE on 32x32x3, {SAMPLES} samples an image",
        unit="samples/s",
        ours=ours,
        theirs=theirs,
        peer="pythae",
        needs=("pythae",),
        target=1.5,
        agree={"log_likelihood": 0.01},
    )
]
