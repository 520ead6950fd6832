"""genus: generative modelling. Give it your data, get a model of the distribution it came from.

data = genus.load_dataset("digits")
model = genus.VAE(latent_dim=2).fit(data)
model.sample(64); model.log_likelihood(data.test)
"""

from genus.artifacts import load_model
from genus.data import Dataset, datasets, load_dataset
from genus.evaluation import compare, evaluate
from genus.likelihood import LogLikelihood
from genus.model import CanGenerate, CanSample, Completes, Conditional, Forecasts, HasElbo, HasLatent, HasLogProb, Model
from genus.models.adversarial.gan import GAN
from genus.models.autoencoders.vae import VAE
from genus.models.autoregressive.gpt import GPT
from genus.models.classical.gaussian import Gaussian
from genus.models.classical.gaussian_mixture import GaussianMixture
from genus.registry import models
from genus.spaces import Binary, Images, Reals, Sequence, Space, Table, Tokens

__version__ = "0.1.0"

__all__ = [
    "GAN", "GPT", "VAE", "Binary", "CanGenerate", "CanSample", "Completes", "Conditional", "Dataset", "Forecasts", "Gaussian",
    "GaussianMixture", "HasElbo", "HasLatent", "HasLogProb", "Images", "LogLikelihood", "Model", "Reals", "Sequence",
    "Space", "Table", "Tokens", "compare", "datasets", "evaluate", "load_dataset", "load_model", "models",
]  # fmt: skip
