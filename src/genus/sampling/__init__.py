"""Ways to draw: functions of a table, of a log-density, or of conditionals. One idea a file.

    n independent draws     discrete, AliasTable, from_quantile, from_cdf, tabulated, rejection
    weighted draws          importance, annealed_importance, sandwich                          -> Weighted
    Markov chains           metropolis, metropolis_hastings, gibbs, langevin,
                            unadjusted_langevin, hamiltonian                                   -> Chains
    expectations            estimate, sample_complexity, and `.expectation(f)` of both         -> Estimate
    sequences of tokens     genus.sampling.decoding

A log-density is any function x (chains, *shape) -> (chains,), up to a constant; chains lie on the first axis and run side by
side. Numbers are drawn from torch's default generators: with `seed=0` from generators keyed by it, so that the same seed gives
the same draws and nothing else changes; with `seed=None`, the default, from where they stand, which inside a model's verb is
where the verb's own seed has put them.
"""

from genus.sampling import decoding
from genus.sampling.alias import AliasTable
from genus.sampling.annealed import Sandwich, annealed_importance, geometric_path, sandwich
from genus.sampling.chains import Chains
from genus.sampling.density import score, value_and_gradient
from genus.sampling.gibbs import gibbs
from genus.sampling.hamiltonian import hamiltonian, hamiltonian_kernel
from genus.sampling.importance import Weighted, importance
from genus.sampling.inverse_cdf import discrete, from_cdf, from_quantile, tabulated
from genus.sampling.langevin import langevin, langevin_kernel, unadjusted_langevin
from genus.sampling.metropolis import metropolis, metropolis_hastings, random_walk_kernel
from genus.sampling.monte_carlo import Complexity, Estimate, estimate, sample_complexity
from genus.sampling.rejection import Accepted, rejection

__all__ = [
    "Accepted", "AliasTable", "Chains", "Complexity", "Estimate", "Sandwich", "Weighted", "annealed_importance", "decoding", "discrete",
    "estimate", "from_cdf", "from_quantile", "geometric_path", "gibbs", "hamiltonian", "hamiltonian_kernel", "importance",
    "langevin", "langevin_kernel", "metropolis", "metropolis_hastings", "random_walk_kernel", "rejection", "sample_complexity",
    "sandwich", "score", "tabulated", "unadjusted_langevin", "value_and_gradient",
]  # fmt: skip
