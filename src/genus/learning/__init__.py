"""Learning: the ways a model learns, each written once."""

from genus.learning.closed_form import LearnsInClosedForm
from genus.learning.em import LearnsByEM
from genus.learning.gradient import LearnsByGradient, Player, Recipe
from genus.learning.labelled import LearnsFromLabels
from genus.learning.learns import Learns, Settings
from genus.learning.memory import LearnsByMemory
from genus.learning.mixture import MixtureModel

__all__ = [
    "Learns", "LearnsByEM", "LearnsByGradient", "LearnsByMemory", "LearnsFromLabels", "LearnsInClosedForm", "MixtureModel",
    "Player", "Recipe", "Settings",
]  # fmt: skip
