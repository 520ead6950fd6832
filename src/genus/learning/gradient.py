"""Learning by gradient: a game of one or more players, each with parameters, a loss and a turn.

One player is a VAE, two are a GAN. A step: the batch of this step; then for each player in turn, its loss averaged over
the batch, the gradient of its own parameters, one move of its optimiser. Everything random is keyed by the step, so a
run is its seed, and a checkpoint is parameters, optimisers and one integer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from genus.data import Examples
from genus.data.rows import Subset
from genus.files import write_atomically
from genus.learning.adamw import AdamW
from genus.learning.batches import Batches, Shuffled
from genus.learning.checkpoint import Checkpoints, environment
from genus.learning.distributed import sum_over_ranks
from genus.learning.history import History, Progress
from genus.learning.learns import Learns, Precision, Settings
from genus.randomness import randomness, reseed
from genus.spaces import Encoded, Ragged, space_config
from genus.warn import warn

Loss = Callable[[Any, Tensor | None], Tensor]
FORMAT = 2  # of checkpoints


@dataclass(frozen=True)
class Recipe:
    """How a model is trained unless `fit` says otherwise."""

    steps: int = 3000  # optimiser steps, where fit names neither steps nor epochs,
    epochs: int = 0  # or this many passes over the data, if that is longer
    batch_size: int = 128
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)  # of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)
    weight_decay: float = 0.0  # on matrices; biases, gains and embeddings are left alone
    warmup: float = 0.02  # share of the steps in which the learning rate rises from 0
    decay: str = "cosine"  # to zero at the last step, "linear" likewise; "late": linear in the second half; or "constant"
    clip: float | None = 1.0  # largest norm of a gradient
    average: float = 0.0  # decay of the moving average of the parameters that the model keeps; 0: none
    patience: int | None = 10  # evaluations without improvement before a run with validation data stops
    evaluations: int = 50  # of the validation data in a run


@dataclass(frozen=True)
class Player:
    """One side of the game: a name, the modules it moves, its loss (n,) or (), and its learning rate's multiple."""

    name: str
    modules: tuple[nn.Module, ...]
    loss: Loss
    pace: float = 1.0

    def parameters(self) -> list[nn.Parameter]:
        return list(dict.fromkeys(p for module in self.modules for p in module.parameters()))


class LearnsByGradient(Learns):
    """A model writes `build` and `loss`; where there are several players, `players`."""

    way: ClassVar[str] = "by gradient"
    takes: ClassVar[frozenset[str]] = frozenset({"validation", "epochs", "steps", "batch_size", "learning_rate", "resume"})
    precisions: ClassVar[tuple[Precision, ...]] = ("float32", "bfloat16")
    recipe: ClassVar[Recipe] = Recipe()
    elapsed = 1.0  # share of the run that is over, while it runs: for losses that change on the way
    channels_last = False  # convolutions: the memory layout they are fastest in

    def loss(self, x: Any, g: Tensor | None) -> Tensor:
        """What a single player minimises, for each point of the batch (n,)."""
        raise NotImplementedError

    def players(self) -> list[Player]:
        return [Player("model", (self,), self.loss)]

    def validation_loss(self, x: Any, g: Tensor | None) -> Tensor:
        """What is watched on held-out data, (n,): lower is better."""
        return self.loss(x, g)

    def batches(self, train: Examples, batch_size: int, seed: int, device: torch.device) -> Batches:
        return Shuffled(train, batch_size, seed, device)

    def held_out(self, valid: Examples, batch_size: int, device: torch.device) -> list[tuple[Encoded, Tensor | None]]:
        """Validation batches, weighed by their length."""
        return [(x.to(device), None if g is None else g.to(device)) for x, g in valid.batches(batch_size)]

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        assert self.space is not None
        with randomness(settings.seed, "build"):
            self.build(self.space)
        self.to(settings.device)
        if self.channels_last:
            self.to(memory_format=torch.channels_last)
        Run(self, train, valid, settings).go()


class Run:
    """One training run: the loop, its evaluations and its checkpoints."""

    CHECKPOINT_SECONDS = 30.0
    CHECK_STEPS = 20  # losses are looked at this often: a look waits for the device
    FOLLOW_STEPS = 8  # the average follows this often: each time is a pass over all parameters, and it moves slowly

    def __init__(self, model: LearnsByGradient, train: Examples, valid: Examples | None, settings: Settings) -> None:
        self.model, self.settings = model, settings
        self.recipe = replace(
            model.recipe,
            batch_size=settings.batch_size or model.recipe.batch_size,
            learning_rate=settings.learning_rate or model.recipe.learning_rate,
        )
        self.batches = model.batches(train, self.recipe.batch_size, settings.seed, settings.device)
        if self.batches.batch_size % settings.world:
            raise ValueError(
                f"batch_size={self.batches.batch_size} must be a multiple of the {settings.world} processes; pass batch_size="
            )
        if settings.epochs is not None:
            self.steps = settings.epochs * self.batches.steps_per_epoch
        else:
            self.steps = settings.steps or max(self.recipe.steps, self.recipe.epochs * self.batches.steps_per_epoch)
        parts = {"data": train, "validation": valid} if settings.run is not None else {}
        self.fingerprints = {name: None if part is None else _fingerprint(part) for name, part in parts.items()}
        self.players = model.players()
        self.optimisers = [self._optimiser(player) for player in self.players]
        self.sides = [self._side(player) for player in self.players]
        self.average = {n: t.clone() for n, t in model.state_dict().items()} if self.recipe.average else None
        self.places = _places(model)
        self.valid = model.held_out(valid, 1024, settings.device) if valid is not None else []
        self.every = max(1, -(-self.steps // self.recipe.evaluations))
        self.step, self.best, self.best_step, self.stale = 0, math.inf, 0, 0
        self.best_state: dict[str, Tensor] | None = None
        self.checkpoints = Checkpoints(settings.run) if settings.run is not None else None

    # -- the loop -----------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Train to the last step, or until validation stops improving; leave the model with what is kept."""
        settings = self.settings
        if self.checkpoints is not None:
            self._resume() if settings.resume else self._begin()
        saved = time.monotonic()
        history = History(settings, keep=(lambda record: record.get("step", 0) <= self.step) if settings.resume else None)
        progress = Progress(settings, self.steps * self.batches.batch_size, "ex", self.step * self.batches.batch_size, scale=True)
        recent: list[Tensor] = []
        numbers: dict[str, Any] = {}
        with history, progress, randomness(settings.seed, "train"):
            self.model.train()
            while self.step < self.steps and not self._stopped():
                recent.append(self._move())
                self.step += 1
                evaluate = self.step % self.every == 0 or self.step == self.steps
                if evaluate or len(recent) == self.CHECK_STEPS:
                    losses = self._look(recent)
                    recent = []
                    numbers.update({player.name: f"{loss:.4g}" for player, loss in zip(self.players, losses, strict=True)})
                    if evaluate:
                        record = {"step": self.step, **{p.name: v for p, v in zip(self.players, losses, strict=True)}}
                        if (held_out := self._evaluate()) is not None:
                            record["validation"] = held_out
                            numbers["valid"] = f"{held_out:.4g}"
                        history.write(record)
                    last = self.step == self.steps
                    due = self.checkpoints is not None and (last or time.monotonic() - saved > self.CHECKPOINT_SECONDS)
                    if due or last:
                        self._look_at_parameters()
                    if due:
                        self._checkpoint()
                        saved = time.monotonic()
                progress.advance(self.batches.batch_size, numbers)
        self._keep()

    def _move(self) -> Tensor:
        """One turn of every player; their losses (players,)."""
        settings = self.settings
        reseed(settings.seed, "step", self.step)
        x, g = self.batches.batch(self.step, settings.rank, settings.world)
        self.model.elapsed = self.step / self.steps
        pace = self._schedule()
        losses = []
        for player, optimiser, side in zip(self.players, self.optimisers, self.sides, strict=True):
            if len(self.players) > 1:  # the others hold still: no gradient of theirs is computed
                own = {id(p) for p in player.parameters()}
                for parameter in self.model.parameters():
                    parameter.requires_grad_(id(parameter) in own)
            optimiser.lr = self.recipe.learning_rate * player.pace * pace
            with self._noise(len(x)), self._autocast():
                loss = side(x, g)
            loss.backward()
            if self.recipe.clip is not None:
                optimiser.clip(self.recipe.clip)
            optimiser.step()
            losses.append(loss.detach())
        since = self.step % self.FOLLOW_STEPS + 1
        if self.average is not None and (since == self.FOLLOW_STEPS or self.step + 1 == self.steps):
            self._follow(self.average, since)
        return torch.stack(losses)

    def _follow(self, average: dict[str, Tensor], since: int) -> None:
        """Move the average of the parameters towards the present ones, `since` steps' worth; young averages follow faster."""
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step)) ** since
        followers, leaders = [], []
        with torch.no_grad():
            for name, follower in average.items():
                module, key = self.places[name]
                leader = module[key]
                if follower.is_floating_point():
                    followers.append(follower)
                    leaders.append(leader)
                else:
                    follower.copy_(leader)
            torch._foreach_lerp_(followers, leaders, 1 - decay)

    def _schedule(self) -> float:
        """The learning rate's factor at this step."""
        warmup = max(1, round(self.recipe.warmup * self.steps))
        if self.step < warmup:
            return (self.step + 1) / warmup
        if self.recipe.decay == "constant":
            return 1.0
        share = (self.step - warmup) / max(1, self.steps - warmup)
        if self.recipe.decay == "late":
            return min(1.0, 2 - 2 * share)
        return 1 - share if self.recipe.decay == "linear" else 0.5 * (1 + math.cos(math.pi * share))

    def _noise(self, n: int) -> contextlib.AbstractContextManager[Any]:
        """What gives the n rows of this process their part of the noise of the batch."""
        if self.settings.world == 1:
            return contextlib.nullcontext()
        from genus.learning.whole_batch import NoiseOfTheWholeBatch

        return NoiseOfTheWholeBatch(n, self.settings.rank, self.settings.world)

    def _look(self, recent: list[Tensor]) -> list[float]:
        losses = sum_over_ranks({"losses": torch.stack(recent) / self.settings.world})["losses"].cpu()  # (steps, players)
        sound = losses.isfinite().all(1)
        if not sound.all():
            self._stop(f"the loss was not a number at step {self.step - len(recent) + int((~sound).nonzero()[0])}")
        return losses.mean(0).tolist()

    def _look_at_parameters(self) -> None:
        """Of what is kept, no later loss may tell."""
        if not torch.stack([p.isfinite().all() for p in self.model.parameters()]).all():
            self._stop(f"the parameters were no numbers after step {self.step - 1}")

    def _stop(self, broken: str) -> NoReturn:
        saved = self.checkpoints is not None and self.checkpoints.latest() is not None
        kept = "; the last good checkpoint is kept" if saved else ""
        raise FloatingPointError(
            f"{type(self.model).__name__}: {broken}{kept}; try a smaller learning_rate than {self.recipe.learning_rate:g}"
        )

    def _stopped(self) -> bool:
        return self.recipe.patience is not None and self.stale >= self.recipe.patience

    # -- validation ---------------------------------------------------------------------------------------------

    def _evaluate(self) -> float | None:
        """The validation loss of what would be kept now; remembers the best."""
        if not self.valid:
            return None
        total, count = 0.0, 0
        with self._averaged(), torch.no_grad():
            self.model.eval()
            for number, (x, g) in enumerate(self.valid):
                reseed(self.settings.seed, "validation", number)
                with self._autocast():
                    losses = self.model.validation_loss(x, g)
                total, count = total + float(losses.double().sum()), count + losses.numel()
            self.model.train()
            value = total / count
            if value < self.best:
                self.best, self.best_step, self.stale = value, self.step, 0
                self.best_state = {n: t.clone() for n, t in self.model.state_dict().items()}
            else:
                self.stale += 1
        return value

    @contextlib.contextmanager
    def _averaged(self) -> Any:
        """The averaged parameters in place of the present ones."""
        if self.average is None:
            yield
            return
        present = {n: t.clone() for n, t in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(present)

    def _keep(self) -> None:
        """Leave the model with the best, else the averaged, else the last parameters."""
        self.model.requires_grad_(True)
        self.model.__dict__.pop("elapsed", None)
        kept = self.best_state if self.best_state is not None else self.average
        if kept is not None:
            self.model.load_state_dict(kept)

    # -- optimisers and processes -------------------------------------------------------------------------------

    def _optimiser(self, player: Player) -> AdamW:
        tables = {id(m.weight) for side in player.modules for m in side.modules() if isinstance(m, nn.Embedding)}
        parameters = player.parameters()
        decays = [0.0 if p.dim() < 2 or id(p) in tables else self.recipe.weight_decay for p in parameters]
        return AdamW(parameters, decays, lr=self.recipe.learning_rate, betas=self.recipe.betas)

    def _side(self, player: Player) -> Callable[[Any, Tensor | None], Tensor]:
        side = _Side(self.model, player.loss)
        if self.settings.world == 1:
            return side
        from torch.nn.parallel import DistributedDataParallel

        own = {id(p) for p in player.parameters()}
        others = [name for name, p in side.named_parameters() if id(p) not in own]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(side, others)
        return DistributedDataParallel(side, broadcast_buffers=False)

    def _autocast(self) -> Any:
        settings = self.settings
        if settings.precision == "float32":
            return contextlib.nullcontext()
        fast = settings.precision == "bfloat16"
        if settings.precision == "auto":
            fast = (
                torch.cuda.is_bf16_supported() if settings.device.type == "cuda" else self.model.channels_last and _cpu_has_bf16()
            )
        return torch.autocast(settings.device.type, torch.bfloat16) if fast else contextlib.nullcontext()

    # -- checkpoints --------------------------------------------------------------------------------------------

    def _about(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "model": type(self.model).__name__,
            "hyper_parameters": json.loads(json.dumps(self.model.get_params())),
            "seed": self.settings.seed,
            "steps": self.steps,
            "batch_size": self.batches.batch_size,
            "steps_per_epoch": self.batches.steps_per_epoch,
            "learning_rate": self.recipe.learning_rate,
            "precision": self.settings.precision,
            **self.fingerprints,
        }

    def _begin(self) -> None:
        assert self.checkpoints is not None and self.settings.run is not None
        if self.settings.rank == 0:
            self.settings.run.mkdir(parents=True, exist_ok=True)
            self.checkpoints.clear()
            about = {**self._about(), "space": space_config(self.model.fitted_space)}
            write_atomically(self.settings.run / "run.json", (json.dumps(about, indent=1) + "\n").encode())

    def _checkpoint(self) -> None:
        assert self.checkpoints is not None
        if self.settings.rank != 0:
            return
        tensors = {f"model/{n}": t for n, t in self.model.state_dict().items()}
        for name, state in (("average", self.average), ("best", self.best_state)):
            tensors.update({f"{name}/{n}": t for n, t in (state or {}).items()})
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            tensors.update({f"optimiser/{player.name}/{n}": t for n, t in optimiser.state().items()})
        about = {
            "format": FORMAT,
            "run": self._about(),
            "environment": environment(self.settings.device, self.settings.world),
            "best": None if math.isinf(self.best) else self.best.hex(),
            "best_step": self.best_step,
            "stale": self.stale,
        }
        self.checkpoints.save(self.step, tensors, about)

    def _resume(self) -> None:
        assert self.checkpoints is not None
        found = self.checkpoints.latest()
        if found is None:
            self._begin()
            return
        tensors, about = found
        if about.get("format") != FORMAT:
            raise ValueError(
                f"resume: the run in {self.settings.run} is of another version of genus; start again in another folder"
            )
        for name, value in self._about().items():
            if (then := about["run"].get(name)) != value:
                differs = f"other {name}" if name in self.fingerprints else f"{name}={then!r}, not {value!r}"
                raise ValueError(
                    f"resume: the run in {self.settings.run} has {differs}; pass what it was started with, or another run folder"
                )
        here = environment(self.settings.device, self.settings.world)
        if different := {n: (v, here[n]) for n, v in about["environment"].items() if here.get(n) != v}:
            told = ", ".join(f"{n} {then} then and {now} now" for n, (then, now) in different.items())
            warn(f"resume: the run goes on elsewhere than it began ({told}): its bits will differ")
        try:
            self._restore(tensors, about)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:  # sound files, but not of this run
            raise ValueError(
                f"resume: the checkpoint in {self.settings.run} does not fit; start again in another folder"
            ) from error

    def _restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        self.model.load_state_dict(_part(tensors, "model"))
        if self.average is not None:
            self.average = {n: t.to(self.settings.device) for n, t in _part(tensors, "average").items()}
        self.best_state = {n: t.to(self.settings.device) for n, t in _part(tensors, "best").items()} or None
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            optimiser.restore(_part(tensors, f"optimiser/{player.name}"))
        self.step, self.best_step, self.stale = int(about["step"]), about["best_step"], about["stale"]
        self.best = math.inf if about["best"] is None else float.fromhex(about["best"])


class _Side(nn.Module):
    """A player's loss as a module, so that DDP can wrap it."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, x: Any, g: Tensor | None) -> Tensor:
        return self._loss(x, g).mean()


def _places(model: nn.Module) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each tensor of `state_dict` lives: looking there takes 2 us where a new state_dict takes 35."""
    return {
        f"{prefix}.{key}".lstrip("."): (tensors, key)
        for prefix, module in model.named_modules(remove_duplicate=False)
        for tensors in (module._parameters, module._buffers)
        for key in tensors
    }


def _fingerprint(examples: Examples) -> str:
    """What tells data from other data: their space with its standardisation, and all of them in order."""
    digest = hashlib.blake2b(json.dumps([len(examples), space_config(examples.space)]).encode(), digest_size=8)
    points, parts = examples.points, [examples.given]
    if isinstance(points, Subset):  # on disk, where rows are read one after the other
        parts, points = [examples.given, points.index], points.source
    for start in range(0, len(points), 1024):
        x = points[start : start + 1024]
        for tensor in (x.values, x.lengths) if isinstance(x, Ragged) else (x,):
            digest.update(tensor.contiguous().numpy().data)
    for part in parts:
        digest.update(b"" if part is None else part.contiguous().numpy().data)
    return digest.hexdigest()


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {full.removeprefix(f"{name}/"): t for full, t in tensors.items() if full.startswith(f"{name}/")}


def _cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; elsewhere it is emulated, slower than float32."""
    capability = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(capability and capability())
