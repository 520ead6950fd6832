"""genus: generative modelling. Give it your data, get a model of the distribution it came from."""

from genus.artifacts import load_model
from genus.data import Dataset
from genus.model import (
    CanGenerate,
    CanSample,
    Completes,
    Conditional,
    HasDensity,
    HasElbo,
    HasLatent,
    HasLikelihood,
    HasLogProb,
    Model,
)
from genus.likelihood import LogLikelihood
from genus.models.classical.gaussian import Gaussian
from genus.models.classical.gaussian_mixture import GaussianMixture
from genus.models.adversarial.gan import GAN
from genus.models.autoencoders.vae import VAE
from genus.models.autoregressive.gpt import GPT
from genus.registry import models
from genus.spaces import Binary, Images, Reals, Sequence, Space, Table, Tokens

__version__ = "0.1.0"
