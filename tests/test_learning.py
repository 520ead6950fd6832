"""The ways of learning: seeds, early stopping, averages, schedules, resuming, streams, many processes."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import zoo
from zoo import cases, same_state, state_of

import genus
from genus import GAN, GPT, VAE, Dataset, Gaussian, GaussianMixture, KernelDensity, MixtureOfPPCA
from genus.data import Rows, examples_of
from genus.files import read_tensors, tensor_bytes
from genus.learning import LearnsByGradient
from genus.learning.adamw import AdamW
from genus.learning.batches import Shuffled, Windows
from genus.learning.checkpoint import Checkpoints
from genus.learning.distributed import device_of
from genus.learning.gradient import Run
from genus.learning.history import read_history
from genus.learning.learns import Settings
from genus.learning.whole_batch import NoiseOfTheWholeBatch
from genus.model import Model
from genus.registry import model_classes

CPU = torch.device("cpu")
X = zoo.moons(200)


def tiny(**options):
    return VAE(latent_dim=2, width=8, n_layers=1, **options)


def fit(model, data=X, **options):
    return model.fit(data, **{"steps": 60, "batch_size": 20, "progress": False, "device": "cpu", **options})


def with_recipe(monkeypatch, **changes):
    monkeypatch.setattr(VAE, "recipe", replace(VAE.recipe, **changes))


# ------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("case", cases(on=("reals", "words", "binary")), ids=str)
def test_the_seed_decides_every_weight(case):
    one, again, other = (state_of(case.fit(seed=s)) for s in (5, 5, 6))
    assert same_state(one, again)
    if issubclass(case.cls, LearnsByGradient):
        assert not same_state(one, other)


def test_batches_are_a_function_of_the_step():
    examples = examples_of(torch.arange(100.0)[:, None])
    there = Shuffled(examples, 20, 0, CPU)
    forwards = [there.batch(t, 0, 1)[0].flatten().tolist() for t in range(15)]
    back = Shuffled(examples, 20, 0, CPU)
    assert [back.batch(t, 0, 1)[0].flatten().tolist() for t in reversed(range(15))] == forwards[::-1]
    for epoch in range(3):
        assert sorted(n for batch in forwards[5 * epoch : 5 * epoch + 5] for n in batch) == list(range(100))
    assert forwards[:5] != forwards[5:10]
    assert forwards != [Shuffled(examples, 20, 1, CPU).batch(t, 0, 1)[0].flatten().tolist() for t in range(15)]


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_one_global_batch(world):
    examples = examples_of(torch.arange(100.0)[:, None])
    batches = Shuffled(examples, 20, 0, CPU)
    whole = batches.batch(7, 0, 1)[0]
    parts = [batches.batch(7, rank, world)[0] for rank in range(world)]
    assert {len(part) for part in parts} == {20 // world}
    torch.testing.assert_close(torch.stack(parts, 1).flatten(0, 1), whole)
    text = genus.spaces.Ragged.of([torch.arange(500)])
    windows = Windows(text, 9, 8, 0, CPU)
    whole = windows.batch(3, 0, 1)[0]
    assert whole.shape == (8, 9) and bool((whole.diff() == 1).all())
    assert torch.equal(torch.stack([windows.batch(3, rank, world)[0] for rank in range(world)], 1).flatten(0, 1), whole)


def test_epochs_are_passes_over_the_data(monkeypatch):
    seen = []
    monkeypatch.setattr(VAE, "loss", watching(VAE.loss, lambda x: seen.append(len(x))))
    fit(tiny(), steps=None, epochs=3, batch_size=32)
    assert seen == [32] * (3 * (200 // 32))


def watching(method, look):
    def watched(self, x, g):
        look(x)
        return method(self, x, g)

    return watched


# ------------------------------------------------------------------------------------- validation, averages, schedule


def test_the_best_by_validation_is_kept(monkeypatch, tmp_path):
    """The loss on held-out data falls, then rises: what is kept is where it was least."""
    watched, states = [], []

    def validation_loss(self, x, g):
        states.append(state_of(self))
        watched.append(abs(len(watched) - 12) + 1.0)
        return torch.full((len(x),), watched[-1])

    monkeypatch.setattr(VAE, "validation_loss", validation_loss)
    with_recipe(monkeypatch, patience=5, evaluations=30)
    model = fit(tiny(), validation=0.2, run=tmp_path)
    assert len(watched) == 18  # twelve better, the best, five worse: then it stopped
    assert same_state(state_of(model), states[12])
    history = read_history(tmp_path / "history.jsonl")
    assert [record["validation"] for record in history] == watched
    assert history[-1]["step"] == 36 < 60


def test_without_patience_it_runs_to_the_end(monkeypatch, tmp_path):
    monkeypatch.setattr(VAE, "validation_loss", lambda self, x, g: torch.full((len(x),), 1.0))
    with_recipe(monkeypatch, patience=None)
    fit(tiny(), validation=0.2, run=tmp_path)
    assert read_history(tmp_path / "history.jsonl")[-1]["step"] == 60


def test_a_share_held_out_is_not_trained_on(monkeypatch):
    seen = set()
    monkeypatch.setattr(VAE, "loss", watching(VAE.loss, lambda x: seen.update(x[:, 0].tolist())))
    fit(tiny(), validation=0.25, batch_size=150)
    assert len(seen) == 150


def test_validation_data_come_from_the_dataset_the_argument_or_a_share(tmp_path):
    data = Dataset.of(X, split=(0.6, 0.4, 0.0))
    ways = {"dataset": (data, None), "examples": (data.train, data.valid), "raw": (data.train, data.valid.raw)}
    for name, (train, valid) in ways.items():
        fit(tiny(), train, validation=valid, run=tmp_path / name)
    one, two, three = ((tmp_path / name / "history.jsonl").read_text() for name in ways)
    assert one == two == three and "validation" in one
    fit(tiny(), data.train, run=tmp_path / "none")
    assert "validation" not in (tmp_path / "none" / "history.jsonl").read_text()


def test_validation_changes_nothing_of_the_path(tmp_path):
    """Watching draws no numbers of the training: the losses are those of a run that is not watched."""
    data = Dataset.of(X, split=(0.6, 0.4, 0.0))
    fit(tiny(), data, run=tmp_path / "watched")
    fit(tiny(), data.train, run=tmp_path / "alone")
    losses = [[r["model"] for r in read_history(tmp_path / run / "history.jsonl")] for run in ("watched", "alone")]
    assert losses[0] == losses[1] and len(set(losses[0])) > 10


def test_the_average_follows_the_parameters(monkeypatch):
    """Against the recursion written out, at steps 8, 16, 24 and the last: a <- a + (1 - d^k)(p - a), k steps since the
    last time, d = min(decay, (1 + t) / (10 + t))."""
    starts, visits = [], []

    def follow(self, average, since, plain=Run._follow):
        starts.append({n: t.clone() for n, t in average.items()})
        visits.append((self.step, since, {n: t.clone() for n, t in self.model.state_dict().items()}))
        plain(self, average, since)

    with_recipe(monkeypatch, average=0.9)
    monkeypatch.setattr(Run, "_follow", follow)
    model = fit(tiny(), steps=25)
    assert [(step, since) for step, since, _ in visits] == [(7, 8), (15, 8), (23, 8), (24, 1)]
    expected = starts[0]
    for step, since, present in visits:
        decay = min(0.9, (1 + step) / (10 + step)) ** since
        expected = {n: decay * expected[n].double() + (1 - decay) * present[n].double() for n in expected}
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=1e-5, atol=1e-6)
    assert not same_state(state_of(model), visits[-1][2])


def test_gradients_are_clipped(monkeypatch):
    """With plain descent in Adam's place, no step is longer than learning_rate * clip."""
    steps = []

    def step(self, *args, **kwargs):
        divisor = float(self.grad_scale)
        squares = sum(float(p.grad.square().sum()) for p in self.parameters)
        steps.append((squares**0.5, divisor))

    with_recipe(monkeypatch, clip=0.01)
    monkeypatch.setattr(AdamW, "step", step)
    fit(tiny(), steps=5)
    assert all(length > 0.01 and length / divisor == pytest.approx(0.01, rel=1e-4) for length, divisor in steps)


LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_is_that_of_torch_with_the_gradient_clipped(layout):
    weight, bias = torch.randn(5, 3, 4, 4), torch.randn(5)
    ours = [torch.nn.Parameter(t) for t in (weight.to(memory_format=layout, copy=True), bias.clone())]
    torchs = [torch.nn.Parameter(t.clone()) for t in (weight, bias)]
    settings = {"lr": 0.1, "betas": (0.9, 0.99)}
    one = AdamW(ours, [0.1, 0.0], **settings)
    other = torch.optim.AdamW(
        [{"params": torchs[:1], "weight_decay": 0.1}, {"params": torchs[1:], "weight_decay": 0.0}], **settings
    )
    for size in (0.01, 3.0, 0.1):
        for p, q in zip(ours, torchs, strict=True):
            q.grad = size * torch.randn_like(q)
            p.grad = q.grad.clone().to(memory_format=layout) if p.dim() == 4 else q.grad.clone()
        if size == 3.0:  # a step without a gradient is none
            ours[1].grad = torchs[1].grad = None
        torch.nn.utils.clip_grad_norm_(torchs, 1.0)
        one.clip(1.0)
        one.step()
        other.step()
        assert all(p.grad is None for p in ours)
    for p, q in zip(ours, torchs, strict=True):
        torch.testing.assert_close(p, q)


def test_moments_are_put_back_in_the_order_of_their_parameter():
    """torch's kernel walks through memory: moments in another order would belong to other weights."""
    weights = [torch.nn.Parameter(torch.randn(5, 3, 4, 4).to(memory_format=torch.channels_last)) for _ in range(2)]
    optimisers = [AdamW([w], [0.0], lr=0.1, betas=(0.9, 0.99)) for w in weights]
    weights[0].grad = torch.randn_like(weights[0])
    optimisers[0].step()
    # as a file gives it
    state = {n: t.clone(memory_format=torch.contiguous_format) for n, t in optimisers[0].state().items()}
    optimisers[1].restore(state)
    weights[1].data.copy_(weights[0])
    for w, optimiser in zip(weights, optimisers, strict=True):
        w.grad = torch.full_like(w, 0.5)
        optimiser.step()
    assert torch.equal(*weights)


@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_the_learning_rate_warms_up_and_decays(decay, monkeypatch):
    rates = []
    plain = AdamW.step

    def step(self, *args, **kwargs):
        rates.append(self.lr)
        return plain(self, *args, **kwargs)

    with_recipe(monkeypatch, decay=decay, warmup=0.1)
    monkeypatch.setattr(AdamW, "step", step)
    fit(tiny(), steps=100, learning_rate=0.01)
    assert rates[:10] == pytest.approx([0.001 * (t + 1) for t in range(10)])
    after = {
        "cosine": lambda s: 0.5 * (1 + math.cos(math.pi * s)), "linear": lambda s: 1 - s, "constant": lambda s: 1.0
    }[decay]  # fmt: skip
    assert rates[10:] == pytest.approx([0.01 * after((t - 10) / 90) for t in range(10, 100)])


def test_weight_decay_moves_matrices_only(monkeypatch):
    """A loss without slope: what is left is the decay, w <- w (1 - lr * decay), and biases stand still."""
    with_recipe(monkeypatch, weight_decay=0.5, decay="constant", warmup=0.0, average=0.0)
    monkeypatch.setattr(VAE, "loss", lambda self, x, g: sum(p.sum() for p in self.parameters()) * 0 * x[:, 0])
    with torch.random.fork_rng():
        start = state_of(fit(tiny(), steps=1, learning_rate=1e-12))
    end = state_of(fit(tiny(), steps=10, learning_rate=0.01))
    for name in start:
        factor = (1 - 0.005) ** 10 if start[name].dim() >= 2 else 1.0
        torch.testing.assert_close(end[name], start[name] * factor, rtol=1e-5, atol=1e-7)


def test_networks_refuse_float64_by_name():
    with pytest.raises(ValueError, match="precision='float64'"):
        fit(tiny(), X.double(), precision="float64")


def test_save_refuses_hyper_parameters_changed_since_the_fit(tmp_path):
    model = fit(tiny(), X)
    model.set_params(latent_dim=model.latent_dim + 1)
    with pytest.raises(RuntimeError, match="latent_dim"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_hyper_parameters_changed_since_the_fit_are_refused_by_every_verb():
    for model, change in ((KernelDensity(bandwidth=1.0), {"bandwidth": 2.0}), (tiny(), {"latent_dim": 3})):
        zoo.quickly(model, X)
        before, (name,) = model.get_params(), change
        model.set_params(**change)
        for verb in (model.sample, lambda: model.log_likelihood(X)):  # noqa: B023
            with pytest.raises(RuntimeError, match=f"{name} is .*, but the model was fitted with .*fit again, or set it back"):
                verb()
        model.set_params(**before).sample()
        zoo.quickly(model.set_params(**change), X).sample()


def test_save_refuses_numbers_that_could_not_be_loaded(tmp_path):
    for model in (fit(tiny(), X).double(), GaussianMixture(n_components=2).fit(X, progress=False).half()):
        with pytest.raises(ValueError, match=r"is of float\d\d, but this \w+ is made of float\d\d.*turn it back"):
            model.save(tmp_path / "model")
        assert not (tmp_path / "model").exists()
    GaussianMixture(n_components=2).fit(X, progress=False).double().save(tmp_path / "mixture")
    assert genus.load_model(tmp_path / "mixture").n_components == 2


@pytest.mark.parametrize("name", ["config.json", "run.json"])
def test_a_file_of_another_program_is_not_replaced(name, tmp_path):
    theirs = '{"genus": "Homo"}'
    (tmp_path / name).write_text(theirs)
    with pytest.raises(FileExistsError, match="another program's"):
        fit(tiny(), run=tmp_path)
    if name == "config.json":
        with pytest.raises(FileExistsError, match="another program's"):
            fit(tiny()).save(tmp_path)
    assert (tmp_path / name).read_text() == theirs and len(list(tmp_path.iterdir())) == 1


# --------------------------------------------------------------------------------------------- when the loss is no number


def test_a_run_without_a_checkpoint_claims_none(tmp_path):
    with pytest.raises(FloatingPointError, match=r"not a number at step \d+; try a smaller learning_rate"):
        fit(tiny(), learning_rate=1e9, run=tmp_path)


def test_a_model_whose_build_needs_numbers_is_fitted():
    """Whether it fits in memory is asked without any."""

    class Counting(Gaussian):
        def build(self, space):
            super().build(space)
            self.known = int(torch.ones(2).sum().item())

    assert Counting().fit(X, progress=np.False_).known == 2


def test_a_last_update_that_overflows_is_told():
    """Its loss would be that of a step that there is not."""
    with pytest.raises(FloatingPointError, match="parameters were no numbers after step 0; try a smaller learning_rate"):
        fit(tiny(), steps=1, learning_rate=3e38)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(monkeypatch, tmp_path):
    monkeypatch.setattr(Run, "CHECKPOINT_SECONDS", 0.0)
    calls = 0
    plain = VAE.loss

    def loss(self, x, g):
        nonlocal calls
        calls += 1
        return plain(self, x, g) * (math.nan if calls == 38 else 1)

    monkeypatch.setattr(VAE, "loss", loss)
    model = tiny()
    with pytest.raises(FloatingPointError, match="not a number at step 37; the last good checkpoint is kept.*learning_rate"):
        fit(model, run=tmp_path)
    assert model.space is None and not (tmp_path / "config.json").exists()
    tensors, about = Checkpoints(tmp_path).latest()
    assert 0 < about["step"] <= 37
    assert all(bool(t.isfinite().all()) for t in tensors.values() if t.is_floating_point())
    assert read_history(tmp_path / "history.jsonl")[-1]["step"] <= 37
    monkeypatch.setattr(VAE, "loss", plain)
    fit(model, run=tmp_path, resume=True)
    assert model.space is not None and same_state(state_of(model), state_of(fit(tiny())))


def test_em_that_finds_no_number_says_so(monkeypatch):
    def expect(self, batch, plain=GaussianMixture.expect):
        return {**plain(self, batch), "log_likelihood": torch.tensor(math.nan)}

    monkeypatch.setattr(GaussianMixture, "expect", expect)
    with pytest.raises(FloatingPointError, match="not a number in any of 2 starts"):
        GaussianMixture(n_components=2, n_init=2).fit(X, progress=False)


# --------------------------------------------------------------------------------------------------- runs and resuming


@pytest.mark.parametrize("make", [VAE, GAN], ids=lambda make: make.__name__)
def test_a_convolutional_run_cut_off_goes_on_bit_for_bit(make, monkeypatch, tmp_path):
    """Weights and moments that lie channels_last in memory, and row-major in a file."""
    images = torch.rand(24, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    options = {"data": images, "steps": 12, "batch_size": 6, "run": tmp_path}
    model = partial(make, width=32, latent_dim=2, architecture="convolutional")
    whole = state_of(fit(model(), **options | {"run": None}))
    monkeypatch.setattr(Run, "CHECKPOINT_SECONDS", 0.0)
    plain = Run._move

    def move(self):
        if self.step == 8:
            raise KeyboardInterrupt
        return plain(self)

    monkeypatch.setattr(Run, "_move", move)
    with pytest.raises(KeyboardInterrupt):
        fit(model(), **options)
    monkeypatch.setattr(Run, "_move", plain)
    tensors, about = Checkpoints(tmp_path).latest()
    assert about["step"] == 8 and any(t.dim() == 4 for t in tensors.values())
    assert same_state(state_of(fit(model(), resume=True, **options)), whole)


def test_a_run_leaves_its_model_history_and_settings(tmp_path):
    model = fit(tiny(), run=tmp_path / "deep" / "run", validation=0.1)
    run = tmp_path / "deep" / "run"
    assert same_state(state_of(genus.load_model(run)), state_of(model))
    history = read_history(run / "history.jsonl")
    assert history[-1]["step"] == 60 and set(history[0]) == {"step", "model", "validation"}
    assert [r["step"] for r in history] == sorted({r["step"] for r in history})
    assert json.loads((run / "run.json").read_text())["steps"] == 60
    assert len(list((run / "checkpoints").iterdir())) == 1


CHANGED = [
    ({"steps": 80}, "steps=60, not 80"),
    ({"seed": 1}, "seed=0, not 1"),
    ({"batch_size": 10}, "batch_size=20, not 10"),
    ({"learning_rate": 0.5}, "learning_rate"),
    ({"precision": "bfloat16"}, "precision='auto', not 'bfloat16'"),
]


@pytest.mark.parametrize("change, words", CHANGED, ids=[w for _, w in CHANGED])
def test_a_run_resumed_with_other_settings_is_refused(change, words, tmp_path):
    fit(tiny(), run=tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match=f"resume: the run in .* has .*{words}") as error:
        fit(tiny(), run=tmp_path, resume=True, **change)
    assert "another run folder" in str(error.value)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_a_run_resumed_as_another_model_is_refused(tmp_path):
    fit(tiny(), run=tmp_path)
    for other in (tiny(beta=2.0), VAE(latent_dim=3, width=8, n_layers=1)):
        with pytest.raises(ValueError, match="hyper_parameters"):
            fit(other, run=tmp_path, resume=True)
    with pytest.raises(ValueError, match="steps_per_epoch|data"):
        fit(tiny(), X[:100], run=tmp_path, resume=True)


def test_a_run_resumed_as_a_model_without_steps_is_refused(tmp_path):
    fit(tiny(), run=tmp_path)
    with pytest.raises(FileExistsError, match="holds a vae .* this gaussian"):
        Gaussian().fit(X, run=tmp_path, resume=True, progress=False)
    assert type(genus.load_model(tmp_path)) is VAE


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_of_another_model_or_of_other_data_is_not_touched(resume, monkeypatch, tmp_path):
    options = {"progress": False, "resume": resume}
    Gaussian().fit(X, run=tmp_path / "a", progress=False)
    monkeypatch.setattr(Run, "_keep", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # one that has not ended
        fit(tiny(), run=tmp_path / "b")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for model, data, folder, holds in (
        (tiny(), X, "a", r"holds a gaussian of Reals\(2,\), which this vae"),
        (GaussianMixture(), X, "a", "holds a gaussian .* this gaussian-mixture"),
        (Gaussian(), torch.cat([X, X], 1), "a", r"holds a gaussian of Reals\(2,\), which this gaussian of Reals\(4,\)"),
        (Gaussian(), X, "b", "holds a vae"),
        (tiny(), torch.cat([X, X], 1), "b", r"holds a vae of Reals\(2,\), which this vae of Reals\(4,\)"),
    ):
        with pytest.raises(FileExistsError, match=f"run=.*{holds}.* would replace; pass another folder"):
            model.fit(data, run=tmp_path / folder, **options)
        assert model.space is None
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    Gaussian().fit(X * 2, run=tmp_path / "a", **options)  # its own, begun anew


def test_a_run_resumed_on_other_data_is_refused(tmp_path):
    """Other in any row: these have the same number, moments and first thousand."""
    data = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    fit(tiny(), data, run=tmp_path, steps=5)
    swapped = data[[*range(1998), 1999, 1998]]
    with pytest.raises(ValueError, match="other data; pass what it was started with"):
        fit(tiny(), swapped, run=tmp_path, steps=5, resume=True)


def test_a_run_resumed_with_other_validation_data_is_refused(tmp_path):
    fit(tiny(), run=tmp_path, validation=X[:40])
    for other in (None, X[:30], X[1:41]):
        with pytest.raises(ValueError, match="has other validation"):
            fit(tiny(), run=tmp_path, resume=True, validation=other)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path):
    fit(tiny(), run=tmp_path)
    (path,) = (tmp_path / "checkpoints").iterdir()
    tensors, about = read_tensors(path)
    lacking = {name: t for name, t in tensors.items() if not name.endswith("/t")}
    for damaged, words in (
        ((tensors, {**about, "format": 1}), "another version"),
        ((lacking, about), "does not fit"),
        (({**tensors, "optimiser/model/m/0": torch.zeros(7, 9)}, about), "does not fit"),
        ((tensors, {**about, "stale": None, "best": 3}), "does not fit"),
    ):
        path.write_bytes(tensor_bytes(*damaged))
        with pytest.raises(ValueError, match=f"resume: the .* in .*{words}.*another folder"):
            fit(tiny(), run=tmp_path, resume=True)


def test_a_new_run_in_an_old_folder_starts_anew(tmp_path):
    fit(tiny(), run=tmp_path)
    other = fit(tiny(), X * 2, run=tmp_path, seed=4)
    assert same_state(state_of(other), state_of(fit(tiny(), X * 2, seed=4)))
    assert same_state(state_of(genus.load_model(tmp_path)), state_of(other))


def test_resume_without_a_run_to_resume_begins(tmp_path):
    model = fit(tiny(), run=tmp_path / "new", resume=True)
    assert same_state(state_of(model), state_of(fit(tiny())))


def test_going_on_elsewhere_is_told(tmp_path, monkeypatch):
    fit(tiny(), run=tmp_path)
    monkeypatch.setattr(
        "genus.learning.gradient.environment", lambda *_: {"torch": "0.0", "threads": 1, "device": "cpu", "processes": 1}
    )
    with pytest.warns(UserWarning, match="torch .* then and 0.0 now.*bits will differ"):
        fit(tiny(), run=tmp_path, resume=True)


@pytest.mark.parametrize("model", [Gaussian(), GaussianMixture(n_components=2)], ids=lambda m: type(m).__name__)
def test_closed_forms_and_em_resume_by_running_again(model, tmp_path):
    model.fit(X, run=tmp_path, progress=False)
    before = state_of(model)
    assert same_state(state_of(model.fit(X, run=tmp_path, resume=True, progress=False)), before)
    assert same_state(state_of(genus.load_model(tmp_path)), before)


def test_em_writes_a_likelihood_that_never_falls(tmp_path):
    GaussianMixture(n_components=3, n_init=2, support=0.0).fit(X.double(), run=tmp_path, progress=False)
    history = read_history(tmp_path / "history.jsonl")
    for start in (0, 1):
        values = [r["log_likelihood"] for r in history if r["start"] == start]
        assert len(values) > 2 and all(b >= a - 1e-9 for a, b in itertools.pairwise(values))


def test_more_starts_are_never_worse():
    data = torch.cat([X.double(), X.double() * 0.3 + 4])
    one, many = (GaussianMixture(n_components=6, n_init=n).fit(data, progress=False, seed=3) for n in (1, 6))
    assert many.log_likelihood(data).mean >= one.log_likelihood(data).mean - 1e-9


def test_em_goes_on_through_a_fall_and_keeps_the_best(tmp_path):
    """A floor that moves with the counts can lower the likelihood for a while, here at once by .02 nats a point."""
    make = np.random.default_rng(13)
    n, d = int(make.integers(10, 60)), int(make.integers(2, 5))
    x = make.normal(size=(n, d)) @ np.diag(10.0 ** make.uniform(-1, 1, d))
    model = MixtureOfPPCA(n_components=3).fit(x, run=tmp_path, progress=False)
    values = [record["log_likelihood"] for record in read_history(tmp_path / "history.jsonl")]
    falls = [a - b for a, b in itertools.pairwise(values)]
    assert max(falls) > 1e-5 and len(falls) > falls.index(max(falls)) + 5
    units = float(model.fitted_space.location_scale[1].log().sum())  # the history is of standardised points
    assert model.log_likelihood(x).mean + units == pytest.approx(max(values), abs=1e-9)


def test_em_that_is_cut_short_warns():
    with pytest.warns(UserWarning, match="stopped after max_iter=2"):
        GaussianMixture(n_components=3, max_iter=2).fit(X, progress=False)


# -------------------------------------------------------------------------------------------- data larger than memory


@pytest.fixture
def on_disk(tmp_path):
    make = np.random.default_rng(0)
    data = make.normal(size=(3000, 3)) @ make.normal(size=(3, 3)) + 50
    np.save(tmp_path / "rows.npy", data)
    return Rows(tmp_path / "rows.npy"), torch.from_numpy(data)


@pytest.mark.parametrize("name", ["gaussian", "gaussian-mixture", "vae"])
def test_rows_on_disk_are_learned_as_in_memory(name, on_disk):
    rows, data = on_disk
    options = {"steps": 40} if name == "vae" else {"batch_size": 256}
    one, other = (
        zoo.quickly(zoo.small(model_classes()[name]), raw, **{**({"steps": 40} if name == "vae" else {}), **options})
        for raw in (rows, data)
    )
    assert same_state(state_of(one), state_of(other))
    torch.testing.assert_close(one.log_likelihood(rows).nats, other.log_likelihood(data).nats, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["gaussian", "gaussian-mixture"])
def test_statistics_add_up_whatever_the_chunks(name, on_disk):
    _, data = on_disk
    whole, parts = (zoo.quickly(zoo.small(model_classes()[name]), data, batch_size=size) for size in (3000, 97))
    for one, other in zip(whole.state_dict().values(), parts.state_dict().values()):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_rows_with_infinity_or_cut_off_are_refused(tmp_path):
    data = np.ones((10, 2))
    data[7, 1] = np.inf
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(ValueError, match="row 7 holds infinity"):
        Gaussian().fit(Rows(tmp_path / "a.npy"))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(content[:-16])
    with pytest.raises(ValueError, match="shorter than its header says"):
        Rows(tmp_path / "b.npy")


# ------------------------------------------------------------------------------------------------------ many processes

SCRIPT = """
import json, sys, torch, genus
torch.set_num_threads(1)
import torch.distributed as dist
from genus.learning.batches import Shuffled
make = torch.Generator().manual_seed(0)
X = torch.randn(1000, 3, generator=make, dtype=torch.float64) @ torch.randn(3, 3, generator=make, dtype=torch.float64)
X[500:] += 6
out = sys.argv[1]
result = {}
options = dict(progress=False, device="cpu", seed=1)
for name, model, extra in [
    ("gaussian", genus.Gaussian(), {"batch_size": 100}),
    ("mixture", genus.GaussianMixture(n_components=2, max_iter=30), {"batch_size": 100}),
    ("vae", genus.VAE(latent_dim=2, width=16, n_layers=1, dropout=0.1), {"steps": 40, "batch_size": 64, "validation": 0.2, "run": out + "/vae"}),
    ("gan", genus.GAN(latent_dim=2, width=16, n_layers=1), {"steps": 40, "batch_size": 64, "run": out + "/gan"}),
]:
    model.fit(X, **options, **extra)
    result[name] = {key: value.double().tolist() for key, value in model.state_dict().items()}
    if hasattr(model, "log_likelihood"):
        result[name + " score"] = model.log_likelihood(X).mean
rank = dist.get_rank() if dist.is_initialized() else 0
world = dist.get_world_size() if dist.is_initialized() else 1
result["world"] = world
json.dump(result, open(f"{out}/rank-{rank}-of-{world}.json", "w"))
if dist.is_initialized():
    dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """The same script on one process and on two: {(rank, world): result}."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parent.parent / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    results = {}
    for world, prefix in ((1, []), (2, torchrun)):
        out = folder / str(world)
        out.mkdir()
        done = subprocess.run(
            [sys.executable, *prefix, str(folder / "script.py"), str(out)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        for rank in range(world):
            results[rank, world] = json.loads((out / f"rank-{rank}-of-{world}.json").read_text())
        results["history", world] = {m: read_history(out / m / "history.jsonl") for m in ("vae", "gan")}
    assert results[0, 1]["world"] == 1 and results[1, 2]["world"] == 2
    return results


def tensors(result):
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in result.items()}


@pytest.mark.parametrize("name", ["gaussian", "mixture", "vae", "gan"])
def test_every_process_ends_with_the_same_parameters(processes, name):
    assert processes[0, 2][name] == processes[1, 2][name]


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
def test_statistics_of_two_processes_are_those_of_one(processes, name):
    one, two = tensors(processes[0, 1][name]), tensors(processes[0, 2][name])
    for key in one:
        torch.testing.assert_close(two[key], one[key], rtol=1e-9, atol=1e-9)
    assert processes[0, 2][f"{name} score"] == pytest.approx(processes[0, 1][f"{name} score"], abs=1e-9)


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_two_processes_play_the_same_game(processes, name):
    one, two = processes["history", 1][name], processes["history", 2][name]
    assert [r["step"] for r in one] == [r["step"] for r in two]
    for key in one[-1].keys() - {"step"}:
        assert [r[key] for r in two] == pytest.approx([r[key] for r in one], rel=1e-5, abs=1e-5)
    start, end = tensors(processes[0, 1][name]), tensors(processes[0, 2][name])
    for key in start:
        torch.testing.assert_close(end[key], start[key], rtol=1e-4, atol=1e-5)


LAYOUT_OF = {
    "vectors": lambda n: torch.zeros(n, 3),
    "numbers": lambda n: torch.zeros(n),
    "channels last": lambda n: torch.zeros(n, 5, 4, 4).to(memory_format=torch.channels_last),
    "rows second in memory": lambda n: torch.zeros(4, n, 6).transpose(0, 1),
    "several rows an example": lambda n: torch.zeros(3 * n, 2),
}


@pytest.mark.parametrize("make", LAYOUT_OF.values(), ids=LAYOUT_OF)
def test_processes_share_the_noise_of_a_batch(make):
    def drawn(n):
        torch.default_generator.manual_seed(0)
        x = make(n)
        return [
            torch.randn_like(x),
            torch.nn.functional.dropout(x + 1, 0.3),
            torch.rand(*x.shape),
            torch.empty_like(x).exponential_(),
            torch.bernoulli(x + 0.4),
            torch.randint(9, x.shape),
            torch.normal(x, 1 + x.flatten(1)[:, :1].reshape(-1, *[1] * (x.dim() - 1)) if x.dim() > 1 else x + 1),
        ]

    with torch.random.fork_rng():
        whole = drawn(12)
        for rank in range(3):
            with NoiseOfTheWholeBatch(4, rank, 3):
                part = drawn(4)
            for ours, all_rows in zip(part, whole, strict=True):
                rows = all_rows.unflatten(0, (12, -1))[rank::3].flatten(0, 1)
                assert torch.equal(ours, rows)


def test_noise_that_is_of_no_batch_is_left_alone():
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        apart = torch.randn(4, 2, generator=torch.Generator().manual_seed(1)), torch.randperm(8), torch.rand(())
        torch.default_generator.manual_seed(0)
        with NoiseOfTheWholeBatch(4, 1, 2):
            inside = torch.randn(4, 2, generator=torch.Generator().manual_seed(1)), torch.randperm(8), torch.rand(())
            odd = torch.rand(3, 2)
    assert all(map(torch.equal, inside, apart)) and odd.shape == (3, 2)


def test_a_batch_that_cannot_be_shared_is_refused():
    settings = Settings(None, 10, 25, None, 0, CPU, "auto", None, False, False, 0, 2)
    model = tiny()
    model.space = examples_of(X).space
    model.build(model.space)
    with pytest.raises(ValueError, match="batch_size=25 must be a multiple of the 2 processes"):
        Run(model, examples_of(X), None, settings)


@pytest.mark.parametrize(("name", "rank", "number"), [("auto", None, 0), ("cuda", None, 0), ("cuda", "1", 1), ("cuda:1", "0", 1)])
def test_a_gpu_is_that_of_the_process_unless_one_is_named(name, rank, number, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)  # which asks for a number
    monkeypatch.delenv("LOCAL_RANK", raising=False) if rank is None else monkeypatch.setenv("LOCAL_RANK", rank)
    assert device_of(name) == torch.device("cuda", number) and chosen == [torch.device("cuda", number)]


# ----------------------------------------------------------------------------------------------------------- games


class Duel(LearnsByGradient):
    """Two numbers: one climbs what the other descends (for these tests alone, 2026)."""

    def build(self, space):
        self.a, self.b = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        self.seen = []

    def players(self):
        from genus.learning import Player

        return [Player("a", (self.a,), self.loss_a), Player("b", (self.b,), self.loss_b, pace=0.5)]

    def loss_a(self, x, g):
        self.seen.append(("a", self.a.weight.requires_grad, self.b.weight.requires_grad, float(self.b.weight)))
        return (self.a.weight * self.b.weight + self.a.weight**2).expand(len(x), 1)

    def loss_b(self, x, g):
        self.seen.append(("b", self.a.weight.requires_grad, self.b.weight.requires_grad, float(self.a.weight)))
        return (-self.a.weight * self.b.weight + self.b.weight**2).expand(len(x), 1)

    def validation_loss(self, x, g):
        return None


def test_players_take_turns_and_only_move_themselves(monkeypatch):
    rates = []
    plain = AdamW.step
    monkeypatch.setattr(AdamW, "step", lambda self, *a, **k: (rates.append(self.lr), plain(self, *a, **k))[1])
    model = fit(Duel(), steps=6)
    assert [turn[:3] for turn in model.seen] == [("a", True, False), ("b", False, True)] * 6
    own = [turn[3] for turn in model.seen]
    assert len(set(own[0::2])) == 6 and len(set(own[1::2])) == 6  # each sees the other move between its turns
    assert rates[1::2] == pytest.approx([rate / 2 for rate in rates[0::2]])
    assert model.a.weight.requires_grad and model.b.weight.requires_grad


def test_progress_is_for_people(capsys):
    fit(tiny(), progress=True)
    fit(tiny(), progress=False)
    assert capsys.readouterr().out == ""


def test_gpt_learns_long_text_in_windows():
    text = "abcd" * 300
    model = GPT(n_layers=1, n_heads=2, width=16, context=16, dropout=0.0)
    model.fit(Dataset.of([text]), steps=150, batch_size=8, progress=False, device="cpu")
    assert model.log_likelihood([text[:400]]).nats_per_dim < 0.3
    assert model.generate("ab", max_new_tokens=8, temperature=0) == "ab" + "cdabcdab"


def test_threads_draw_as_one_would():
    model = GaussianMixture(n_components=2).fit(X, progress=False, device="cpu")
    torch.manual_seed(7)
    before, alone = torch.get_rng_state(), model.sample(20_000, seed=1)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda _: model.sample(20_000, seed=1), range(12)))
    assert all(torch.equal(alone, drawn) for drawn in together)
    assert torch.equal(torch.get_rng_state(), before)


def test_gpt_counts_every_text_once_however_long_it_is():
    texts = ["a", "bbbbbbb"] * 50  # weighed by 1 / length, the first would have p = .8
    model = GPT(n_layers=1, n_heads=1, width=16).fit(Dataset.of(texts, split=(1, 0, 0)), steps=300, progress=False, device="cpu")
    torch.testing.assert_close(
        model.log_likelihood(["a", "bbbbbbb"]).nats.exp().float(), torch.tensor([0.5, 0.5]), atol=0.05, rtol=0
    )


def test_gpt_begins_as_texts_do_where_one_is_longer_than_its_context():
    texts = ["S" + "ab" * 7] * 60 + ["S" + "ab" * 20]
    model = GPT(n_layers=1, n_heads=1, width=16, context=16)
    model.fit(Dataset.of(texts, split=(1, 0, 0)), steps=300, progress=False, device="cpu")
    assert sum(text.startswith("S") for text in model.sample(100)) > 80


def test_windows_see_every_beginning_as_often_as_any_token():
    def beginning(lengths):  # share of windows that begin with a sequence
        texts = [torch.cat([torch.tensor([-1]), torch.arange(n - 1)]) for n in lengths]
        windows = Windows(genus.spaces.Ragged.of(texts), 10, 64, 0, CPU)
        batches = torch.cat([windows.batch(step, 0, 1)[0] for step in range(40)])
        return float((batches[:, 0] == -1).float().mean())

    assert abs(beginning([1000]) - 1 / 991) < 0.01  # a single one is only read on
    assert abs(beginning([100] * 10) - (0.1 + 0.9 / 100)) < 0.03
    assert abs(beginning([5] * 200) - (0.5 + 0.5 / 5)) < 0.05


def test_gpt_goes_on_to_the_end_of_points_of_one_length():
    model = GPT(n_layers=1, n_heads=1, width=8).fit(torch.arange(6).repeat(20, 1), steps=2, progress=False, device="cpu")
    assert len(model.generate([0, 1])) == len(model.generate([0, 1], num_beams=2)) == 6
    assert model.generate(list(range(6))).tolist() == list(range(6))
    with pytest.raises(ValueError, match="prompt: has 7 tokens, but points .* have 6"):
        model.generate([0] * 7)


def test_the_price_of_a_code_comes_in_slowly():
    model = VAE(latent_dim=2, width=8).fit(X, steps=1, progress=False, device="cpu")
    with torch.no_grad():
        model.elapsed = 0.0
        torch.manual_seed(0)
        free = model.loss(X, None)
        model.elapsed = 1.0
        torch.manual_seed(0)
        full = model.loss(X, None)
        torch.manual_seed(0)
        _, cost = model.bound_terms(X, None)
    torch.testing.assert_close(full - free, cost)


def test_the_base_classes_are_no_models():
    assert not any(cls in (Model, LearnsByGradient) for cls in model_classes().values())


@pytest.mark.parametrize(
    "learn",
    [
        lambda x: GaussianMixture(n_components=3, max_iter=1).fit(x, progress=False),
        lambda x: Gaussian().fit(x[:2], progress=False),
        lambda x: genus.LinearDiscriminant().fit(x[:2], [0, 1], progress=False),
        lambda x: genus.compare(["gaussian"], Dataset.of(x[:6], split=(0.4, 0.3, 0.3)), two_sample=False, progress=False),
    ],
    ids=["em", "closed form", "labelled", "by another verb"],
)
def test_a_warning_tells_the_line_of_the_call(learn):
    with pytest.warns(UserWarning, match="max_iter|is not determined") as told:
        learn(torch.randn(50, 3))
    assert {Path(warning.filename).name for warning in told} == {Path(__file__).name}
