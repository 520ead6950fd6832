"""Data: datasets in three parts, readers of files, named sets."""

from genus.data.classes import classes_of, with_classes
from genus.data.dataset import CHUNK, Dataset, Examples, examples_of, fit_space, missing_values
from genus.data.load import datasets, load_dataset
from genus.data.named import toy_log_density
from genus.data.rows import Rows

__all__ = [
    "CHUNK", "Dataset", "Examples", "Rows", "classes_of", "datasets", "examples_of", "fit_space", "load_dataset",
    "missing_values", "toy_log_density", "with_classes",
]  # fmt: skip
