"""Leaderboard: what `compare` found, as a table, a sentence, JSON and a report."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genus.data import Dataset
from genus.evaluation.memorisation import Memorisation
from genus.evaluation.two_sample import TwoSample
from genus.files import json_values
from genus.likelihood import LogLikelihood
from genus.model import HasLikelihood, Model
from genus.spaces import Space, Tokens

KINDS = ("exact", "lower bound", "estimate", "none", "not scored", "not fitted")  # in the order they are listed
NO_LIKELIHOOD = "has no likelihood"
CERTAIN = 2.0  # standard errors a difference must exceed to be called one


@dataclass
class Entry:
    """One model of a comparison and what was measured of it; None where it was not."""

    name: str
    model: Model
    likelihood: LogLikelihood | None = None
    two_sample: TwoSample | None = None
    memorisation: Memorisation | None = None
    n_parameters: int | None = None
    fit_seconds: float | None = None
    sample_seconds: float | None = None
    samples: Any = None
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: str = ""  # what the model is, for the report; else the first paragraph of its docstring
    refused: bool = False  # whether nothing could be asked of the model: it could not be fitted, or takes other data

    @property
    def kind(self) -> str:
        if self.likelihood is not None:
            return self.likelihood.kind
        if self.model.space is None:
            return "not fitted"
        return "not scored" if isinstance(self.model, HasLikelihood) or self.refused else "none"

    @property
    def note(self) -> str:
        return "; ".join(self.notes)

    def remark(self, sentence: str) -> None:
        self.notes.append(sentence)

    def fail(self, reason: str) -> None:
        """Note why something could not be measured; a reason of two steps once."""
        if (note := " ".join(reason.split())) not in self.notes:
            self.notes.append(note)

    def sentence(self) -> str:
        """The result in one line."""
        parts = []
        if self.fit_seconds is not None:
            parts.append(f"fitted in {self.fit_seconds:.1f} s")
        if self.likelihood is not None:
            parts.append(f"{self.likelihood.mean:.2f} nats ({self.kind}), {self.likelihood.bits_per_dim:.3f} bits/dim")
        if self.two_sample is not None:
            parts.append(f"told apart with AUC {self.two_sample.auc:.3f}")
        return "; ".join([*parts, *self.notes])


@dataclass
class Leaderboard:
    """Models on one yardstick: by kind of likelihood, then by likelihood; never one kind against another silently."""

    unordered: list[Entry]
    data: Dataset
    space: Space
    baseline: TwoSample | None
    seed: int = 0

    @property
    def entries(self) -> list[Entry]:
        """In the order of the table."""
        worth = lambda e: -e.likelihood.mean if e.likelihood is not None else (e.two_sample.auc if e.two_sample else math.inf)  # noqa: E731
        return sorted(self.unordered, key=lambda e: (KINDS.index(e.kind), worth(e)))

    @property
    def models(self) -> dict[str, Model]:
        """The fitted models by name, but for those that take other data."""
        return {e.name: e.model for e in self.entries if not e.refused}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dict a model, in order. `rank` counts within a kind; `behind` is the mean difference to its kind's best."""
        text = isinstance(self.space, Tokens) and self.space.ragged
        found, rank, best = [], 0, None
        for entry in self.entries:
            likelihood, test = entry.likelihood, entry.two_sample
            if best is None or best.kind != entry.kind:
                rank, best = 0, entry
            rank += 1
            behind = difference(best, entry) if likelihood is not None else None
            row = {
                "model": entry.name,
                "kind": entry.kind,
                "rank": rank if likelihood is not None else None,
                "nats": likelihood.mean if likelihood else None,
                "standard_error": likelihood.mean_standard_error if likelihood else None,
                "bits_per_dim": likelihood.bits_per_dim if likelihood else None,
                "behind": behind[0] if behind else None,
                "behind_standard_error": behind[1] if behind else None,
                "auc": test.auc if test else None,
                "auc_standard_error": test.standard_error if test else None,
                "auc_baseline": self.baseline.auc if test and self.baseline else None,
                "parameters": entry.n_parameters,
                "fit_seconds": entry.fit_seconds,
                "sample_seconds": entry.sample_seconds,
                "note": entry.note,
            }
            if text:
                row["nats_per_character"] = likelihood.nats_per_dim if likelihood else None
            found.append(row)
        return found

    @property
    def frame(self) -> Any:
        """The table as a DataFrame; see `rows` for its columns."""
        import pandas as pd

        frame = pd.DataFrame(self.rows)
        for name in frame.columns:
            if name in ("rank", "parameters"):
                frame[name] = frame[name].astype("Int64")
            elif name not in ("model", "kind", "note"):
                frame[name] = frame[name].astype("float64")
        return frame

    @property
    def footnotes(self) -> list[str]:
        """What must be known to read the table: what the kinds mean, and what is decided across them."""
        kinds = {e.kind for e in self.entries}
        notes = []
        if "exact" in kinds:
            notes.append("Exact: the model's log-likelihood itself.")
        if "lower bound" in kinds:
            notes.append("Lower bound: the model's true log-likelihood is at or above this number.")
        if "estimate" in kinds:
            notes.append("Estimate: may err to either side; it is compared with nothing but other estimates, and with care.")
        if "not scored" in kinds:
            notes.append("Not scored: the model has told no likelihood of these data; its note says why.")
        if "none" in kinds:
            notes.append("None: the model has no likelihood, so the yardstick does not reach it; look at its samples and its AUC.")
        notes += self.across
        if self.data.entropy is not None:
            truth = f"{-self.data.entropy:.3f}".replace("-", "−")
            notes.append(f"The distribution that these data were drawn from gets {truth} nats: no model is expected to get more.")
        if self.baseline is not None:
            notes.append(
                f"AUC: how well a classifier tells samples from held-out data; 0.5 is not at all, 1 is always. Real training "
                f"data in place of samples get {self.baseline.auc:.3f} ± {self.baseline.standard_error:.3f}: but for chance, no model "
                "does better."
            )
        return notes

    @property
    def across(self) -> list[str]:
        """What is decided, and what is not, between lower bounds and exact values."""
        exact = [e for e in self.entries if e.kind == "exact"]
        bounds = [e for e in self.entries if e.kind == "lower bound"]
        won, open_ = [], []
        for bound in bounds:
            for other in exact:
                gap, error = difference(bound, other)
                if gap > CERTAIN * error or (math.isnan(error) and gap > 0):
                    won.append(f"{bound.name} over {other.name}")
                else:
                    open_.append(f"{bound.name} and {other.name}")
        notes = []
        if won:
            notes.append(f"Decided across kinds, as a lower bound above an exact value wins: {', '.join(won)}.")
        if open_:
            notes.append(f"Undecided, as the truth above a lower bound is not known: {', '.join(open_)}.")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; an infinite number is the string "Infinity" or "-Infinity"."""
        found = {
            "data": self.data.name,
            "n_train": len(self.data.train),
            "n_test": len(self.data.test),
            "seed": self.seed,
            "baseline": None if self.baseline is None else vars(self.baseline),
            "models": self.rows,
            "footnotes": self.footnotes,
        }
        return json_values(found)

    def save(self, path: str | Path, title: str | None = None) -> Path:
        """Write the report, one HTML file that needs nothing else; returns its path. Raises ValueError for another suffix."""
        from genus.evaluation.page import write_page
        from genus.evaluation.report import report

        return write_page(path, lambda: report(self, title))

    def __repr__(self) -> str:
        shown = self.frame.drop(columns=["behind", "behind_standard_error", "auc_standard_error", "auc_baseline", "note"])
        table = shown.to_string(index=False, na_rep="-", float_format=lambda v: f"{v:.3f}" if abs(v) < 100 else f"{v:.1f}")
        remarks = [f"{entry.name}: {entry.note}" for entry in self.entries if entry.note not in ("", NO_LIKELIHOOD)]
        notes = "\n".join(f"  {note}" for note in [*remarks, *self.footnotes])
        return f"{self.data.name}: {len(self.data.train)} to learn from, {len(self.data.test)} held out\n\n{table}\n\n{notes}"


def difference(first: Entry, second: Entry) -> tuple[float, float]:
    """Mean of first's nats minus second's on the same points, and its standard error: paired, so much less than of either."""
    assert first.likelihood is not None and second.likelihood is not None
    gap = first.likelihood.nats - second.likelihood.nats
    return float(gap.mean()), float(gap.std() / math.sqrt(len(gap))) if len(gap) > 1 else math.nan
