"""Two processes learn what one learns: every model that learns from sums or by keeping the data, found by the registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import zoo
from safetensors.torch import load_file

from genus.learning import LearnsByGradient

HERE = Path(__file__).parent
CHUNKS = (40, 1000)  # examples a process takes at a time: every material has several chunks, or one, and a process none

SCRIPT = f"""
import itertools, sys, torch, zoo
import torch.distributed as dist
from safetensors.torch import save_file
torch.set_num_threads(1)
for case, chunk in itertools.product(zoo.one_case_a_model(), {CHUNKS}):
    state = case.fit(batch_size=chunk).state_dict()
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    state = {{name: tensor.contiguous() for name, tensor in state.items()}}
    save_file(state, f"{{sys.argv[1]}}/{{case.model}}-{{chunk}}-{{rank}}-of-{{world}}")
if dist.is_initialized():
    dist.destroy_process_group()
"""

MODELS = [case.model for case in zoo.one_case_a_model()]


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """states(model, chunk, rank, world): the state of a model fitted by that process."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    for prefix in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]):
        command = [sys.executable, *prefix, str(folder / "script.py"), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
    return lambda model, chunk, rank, world: load_file(folder / f"{model}-{chunk}-{rank}-of-{world}")


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("model", MODELS)
def test_two_processes_learn_what_one_learns(states, model, chunk):
    alone, first, second = states(model, chunk, 0, 1), states(model, chunk, 0, 2), states(model, chunk, 1, 2)
    assert zoo.same_state(first, second)
    for name, tensor in alone.items():
        torch.testing.assert_close(first[name], tensor, rtol=1e-6, atol=1e-8, equal_nan=True)


def test_the_models_are_those_that_learn_from_all_of_the_data():
    wanted = {name for name, cls in zoo.model_classes().items() if not issubclass(cls, LearnsByGradient)}
    assert set(MODELS) == wanted and len(wanted) >= 2
