"""Finite Markov chains, as functions of a transition matrix P (n, n): P[i, j] = p(next is j | now is i), rows sum to one.

    pi = pi P         a stationary distribution: what stays as it is
    irreducible       every state can be reached from every other; then pi is the only one
    period            the greatest common divisor of the lengths of all ways back to a state
    regular           some power of P is positive throughout: irreducible with period 1; then P^t -> pi in every row

Books that write p(next | now) in columns: pass the transpose. Norris 1997; Kemeny & Snell 1960.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor


def stationary_distribution(matrix: Any) -> Tensor:
    """The distribution pi (n,) with pi = pi P, float64. Raises ValueError where there are several: two parts that are
    never left.

    States are taken out one by one, last first, and put back (Grassmann, Taksar & Heyman 1985): without a subtraction, so
    that even the smallest probability has all its digits.
    """
    matrix = transitions(matrix)
    closed = closed_classes(matrix)
    if len(closed) > 1:
        raise ValueError(
            f"matrix: has {len(closed)} parts that are never left, those of states {int(closed[0][0])} and {int(closed[1][0])} "
            "among them, and so many stationary distributions; pass one part"
        )
    states = closed[0]
    inner = matrix[states[:, None], states].clone()
    for last in range(len(states) - 1, 0, -1):
        inner[:last, last] /= inner[last, :last].sum()
        inner[:last, :last] += inner[:last, last, None] * inner[last, :last]
    weight = inner.new_ones(len(states))
    for state in range(1, len(states)):
        weight[state] = weight[:state] @ inner[:state, state]
    pi = matrix.new_zeros(len(matrix))
    pi[states] = weight / weight.sum()
    return pi


def is_irreducible(matrix: Any) -> bool:
    """Whether every state can be reached from every other."""
    return _classes(transitions(matrix))[0] == 1


def is_regular(matrix: Any) -> bool:
    """Whether some power of P is positive throughout."""
    matrix = transitions(matrix)
    return _classes(matrix)[0] == 1 and period(matrix) == 1


def period(matrix: Any) -> int:
    """The greatest common divisor of the lengths of all ways back to a state. Raises ValueError for a chain that is not
    irreducible: its states may have different ones.

    With d(i) steps from state 0 to i: the divisor of d(i) + 1 - d(j) over all steps i -> j (Denardo 1977).
    """
    matrix = transitions(matrix)
    if (parts := _classes(matrix)[0]) > 1:
        raise ValueError(
            f"matrix: falls into {parts} classes of states that reach each other, and a period is of one; pass one class"
        )
    from scipy.sparse.csgraph import shortest_path

    steps = (matrix > 0).numpy()
    distance = shortest_path(steps, unweighted=True, indices=0).astype(np.int64)
    here, there = steps.nonzero()
    return int(np.gcd.reduce(distance[here] + 1 - distance[there]))


def closed_classes(matrix: Any) -> list[Tensor]:
    """The classes of states that reach each other and are never left, each a tensor of states in order: at least one."""
    matrix = transitions(matrix)
    count, label = _classes(matrix)
    here, there = (matrix > 0).nonzero(as_tuple=True)
    left = set(label[here][label[here] != label[there]].tolist())
    return [(label == part).nonzero().flatten() for part in range(count) if part not in left]


def transitions(matrix: Any) -> Tensor:
    """A transition matrix, checked, as float64 on the CPU. Raises ValueError."""
    matrix = as_tensor(matrix, "matrix").detach().cpu().double()
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"matrix: has shape {tuple(matrix.shape)}, but a transition matrix is square (states, states)")
    if not bool((matrix >= 0).all()):
        raise ValueError("matrix: holds something else than probabilities, which are at least 0")
    off = (matrix.sum(1) - 1).abs()
    if float(off.max()) > 1e-6:
        turned = "; its columns do: pass matrix.T" if float((matrix.sum(0) - 1).abs().max()) <= 1e-6 else "; divide by the sum"
        raise ValueError(f"matrix: row {int(off.argmax())} sums to {float(matrix[off.argmax()].sum()):g}, not to 1{turned}")
    return matrix


def _classes(matrix: Tensor) -> tuple[int, Tensor]:
    """How many classes of states that reach each other, and the class of each state (n,)."""
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components((matrix > 0).numpy(), directed=True, connection="strong")
    return count, torch.from_numpy(label)
