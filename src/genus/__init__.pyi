"""The public names, and where each is found when it is first asked for. `genus/__init__.py` reads this file."""

from . import data, evaluation, learning, networks, probability, sampling, spaces
from .artifacts import load_model
from .data import Dataset, datasets, load_dataset
from .evaluation import compare, compare_classifiers, evaluate
from .likelihood import LogLikelihood
from .model import (
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
    Imputes,
    Model,
)
from .models.adversarial.gan import GAN
from .models.autoencoders.vae import VAE
from .models.autoregressive.gpt import GPT
from .models.classical.delay_mixture import DelayMixture
from .models.classical.discriminant import LinearDiscriminant, QuadraticDiscriminant
from .models.classical.empirical import Empirical
from .models.classical.factor_analysis import FactorAnalysis
from .models.classical.gaussian import Gaussian
from .models.classical.gaussian_mixture import GaussianMixture
from .models.classical.hidden_markov import HiddenMarkov
from .models.classical.histogram import Histogram
from .models.classical.joint_table import JointTable
from .models.classical.kernel_density import KernelDensity
from .models.classical.linear_dynamical_system import LinearDynamicalSystem
from .models.classical.markov import MarkovChain
from .models.classical.mixture import Mixture
from .models.classical.mixture_of_ppca import MixtureOfPPCA
from .models.classical.naive_bayes import NaiveBayes
from .models.classical.nearest_neighbours import NearestNeighbours
from .models.classical.ngram import NGram
from .models.classical.probabilistic_pca import ProbabilisticPCA
from .models.classical.texture import EfrosLeung, Quilting
from .registry import models
from .spaces import Binary, Images, Reals, Sequence, Space, Table, Tokens

__version__: str

__all__ = [
    "GAN", "GPT", "VAE", "Binary", "CanGenerate", "CanSample", "Classifies", "Completes", "Conditional", "Dataset",
    "DelayMixture", "EfrosLeung", "Empirical", "FactorAnalysis", "Forecasts", "Gaussian", "GaussianMixture", "HasElbo",
    "HasLatent", "HasLogProb", "HasScore", "HiddenMarkov", "Histogram", "Images", "Imputes", "JointTable", "KernelDensity",
    "LinearDiscriminant", "LinearDynamicalSystem", "LogLikelihood", "MarkovChain", "Mixture", "MixtureOfPPCA", "Model",
    "NGram", "NaiveBayes", "NearestNeighbours", "ProbabilisticPCA", "QuadraticDiscriminant", "Quilting", "Reals", "Sequence",
    "Space", "Table", "Tokens", "compare", "compare_classifiers", "data", "datasets", "evaluate", "evaluation", "learning",
    "load_dataset", "load_model", "models", "networks", "probability", "sampling", "spaces",
]  # fmt: skip
