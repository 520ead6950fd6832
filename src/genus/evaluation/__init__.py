"""Evaluation: the yardsticks. Models side by side (`compare`), and any tool's output against real data (`evaluate`)."""

from genus.evaluation.classification import compare_classifiers
from genus.evaluation.compare import compare
from genus.evaluation.evaluate import Evaluation, evaluate
from genus.evaluation.leaderboard import Leaderboard

__all__ = ["Evaluation", "Leaderboard", "compare", "compare_classifiers", "evaluate"]
