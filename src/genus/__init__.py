"""genus: generative modelling. Give it your data, get a model of the distribution it came from.

data = genus.load_dataset("digits")
model = genus.VAE(latent_dim=2).fit(data)
model.sample(64); model.log_likelihood(data.test)
"""

from genus.artifacts import load_model
from genus.data import Dataset, datasets, load_dataset
from genus.evaluation import compare, compare_classifiers, evaluate
from genus.likelihood import LogLikelihood
from genus.model import (
    CanGenerate,
    CanSample,
    Classifies,
    Completes,
    Conditional,
    Forecasts,
    HasElbo,
    HasLatent,
    HasLogProb,
    HasScore,
    Model,
)
from genus.models.adversarial.gan import GAN
from genus.models.autoencoders.vae import VAE
from genus.models.autoregressive.gpt import GPT
from genus.models.classical.delay_mixture import DelayMixture
from genus.models.classical.discriminant import LinearDiscriminant, QuadraticDiscriminant
from genus.models.classical.empirical import Empirical
from genus.models.classical.factor_analysis import FactorAnalysis
from genus.models.classical.gaussian import Gaussian
from genus.models.classical.gaussian_mixture import GaussianMixture
from genus.models.classical.hidden_markov import HiddenMarkov
from genus.models.classical.histogram import Histogram
from genus.models.classical.joint_table import JointTable
from genus.models.classical.kernel_density import KernelDensity
from genus.models.classical.linear_dynamical_system import LinearDynamicalSystem
from genus.models.classical.markov import MarkovChain
from genus.models.classical.mixture import Mixture
from genus.models.classical.mixture_of_ppca import MixtureOfPPCA
from genus.models.classical.naive_bayes import NaiveBayes
from genus.models.classical.nearest_neighbours import NearestNeighbours
from genus.models.classical.ngram import NGram
from genus.models.classical.probabilistic_pca import ProbabilisticPCA
from genus.models.classical.texture import EfrosLeung, Quilting
from genus.registry import models
from genus.spaces import Binary, Images, Reals, Sequence, Space, Table, Tokens

__version__ = "0.1.0"

__all__ = [
    "GAN", "GPT", "VAE", "Binary", "CanGenerate", "CanSample", "Classifies", "Completes", "Conditional", "Dataset",
    "DelayMixture", "EfrosLeung", "Empirical", "FactorAnalysis", "Forecasts", "Gaussian", "GaussianMixture", "HasElbo",
    "HasLatent", "HasLogProb", "HasScore", "HiddenMarkov", "Histogram", "Images", "JointTable", "KernelDensity",
    "LinearDiscriminant", "LinearDynamicalSystem", "LogLikelihood", "MarkovChain", "Mixture", "MixtureOfPPCA", "Model",
    "NGram", "NaiveBayes", "NearestNeighbours", "ProbabilisticPCA", "QuadraticDiscriminant", "Quilting", "Reals",
    "Sequence", "Space", "Table", "Tokens", "compare", "compare_classifiers", "datasets", "evaluate", "load_dataset",
    "load_model", "models",
]  # fmt: skip
