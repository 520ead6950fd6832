"""A fork server for test_faults.py: reads a line of JSON a job, forks a child that does it, and says how it ended.

Python and torch are started once, so that a run that is to be killed costs what its steps cost. The server itself never
runs a backward pass: autograd does not survive a fork.

    {"model": "vae", "run": folder, "resume": false, "steps": 200}      a small fit with frequent checkpoints
    {"load": folder}                                                    load_model under a limit of memory
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback

import pandas  # noqa: F401 - a table needs it: a second, here once
import torch
import torch._dynamo  # the first optimiser imports it, which takes seconds: here, once

import genus
from genus.learning.gradient import Run

torch.set_num_threads(1)
GIGABYTE = 2**30


def fit(job: dict) -> None:
    Run.CHECKPOINT_SECONDS = job.get("seconds", 0.01)
    make = torch.Generator().manual_seed(0)
    if job["model"] == "gpt":
        bits = torch.randint(0, 2, (200, 6), generator=make)
        data = ["".join("ab"[int(bit)] for bit in row[: 1 + i % 6]) for i, row in enumerate(bits)]
    else:
        data = torch.randn(200, 2, generator=make) * torch.tensor([1.0, 3.0])
    model = {
        "vae": lambda: genus.VAE(latent_dim=2, width=16, n_layers=1),
        "gan": lambda: genus.GAN(latent_dim=2, width=16, n_layers=1),
        "gpt": lambda: genus.GPT(n_layers=1, n_heads=2, width=16, context=8),
    }[job["model"]]()
    options = {} if job["model"] == "gan" else {"validation": 0.2}
    model.fit(
        data, steps=job["steps"], batch_size=32, seed=3, run=job["run"], resume=job["resume"],
        progress=False, device="cpu", **options,
    )  # fmt: skip


def load(job: dict) -> dict:
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTE, used + GIGABYTE))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        genus.load_model(job["load"])
        said = "loaded"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"said": said, "seconds": time.process_time() - start, "megabytes": grown}


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reader)
                result = load(job) if "load" in job else fit(job)
                os.write(writer, json.dumps(result).encode())
                os._exit(0)
            except BaseException:
                os.write(writer, json.dumps(traceback.format_exc()[-2000:]).encode())
                os._exit(1)
        os.close(writer)
        print(json.dumps({"id": job["id"], "pid": child}), flush=True)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        print(
            json.dumps({"id": job["id"], "status": os.waitstatus_to_exitcode(status), "said": json.loads(said or "null")}),
            flush=True,
        )


if __name__ == "__main__":
    print("ready", flush=True)
    main()
