"""Nothing lost: runs killed at any moment, disks that refuse, damaged files, strangers' folders."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import json
import math
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import zoo
from safetensors.torch import save_file

import genus
from genus import VAE, Gaussian, GaussianMixture, HiddenMarkov, Tokens
from genus.artifacts import _name_of_weights
from genus.files import DamagedFile, read_tensors, write_atomically
from genus.learning.checkpoint import Checkpoints
from genus.learning.gradient import Run
from genus.learning.history import read_history
from genus.learning.mixture import MixtureModel
from genus.model import CanGenerate, CanSample, Classifies, Completes, Forecasts, HasLatent, HasScore

HERE = Path(__file__).parent
STEPS = 240
KILLS = 5


class Server:
    """runner.py: forks a child a job."""

    def __init__(self) -> None:
        self.jobs = 0
        path = os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "runner.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == "ready"

    def start(self, **job) -> int:
        self.jobs += 1
        self.process.stdin.write(json.dumps({"id": self.jobs, **job}) + "\n")
        self.process.stdin.flush()
        return self.answer()["pid"]

    def answer(self) -> dict:
        while (answer := json.loads(self.process.stdout.readline()))["id"] != self.jobs:
            pass  # of a job whose test has failed in between
        return answer

    def finish(self) -> dict:
        return self.answer()

    def do(self, **job):
        self.start(**job)
        end = self.finish()
        assert end["status"] == 0, end["said"]
        return end["said"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


def ending(run: Path) -> dict:
    """What a finished run leaves: the model, byte for byte, and its history."""
    files = {p.name: p.read_bytes() for p in run.iterdir() if p.name.startswith("model-") or p.name == "config.json"}
    assert len(files) == 2
    return {**files, "history": (run / "history.jsonl").read_text()}


def no_litter(folder: Path) -> bool:
    return not list(folder.rglob("*.partial"))


# ---------------------------------------------------------------------------------------------------- kill and resume


def wait_for_step(run: Path, step: int) -> None:
    """Until the run has a checkpoint of this step or a later one (looking at names alone)."""
    patience = time.monotonic() + 60
    while step and time.monotonic() < patience:
        there = [int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("step-*.safetensors")]
        if max(there, default=0) >= step:
            return
        time.sleep(0.002)


@pytest.mark.parametrize("model", ["vae", "gan", "gpt"])
def test_a_run_killed_at_any_moment_ends_bit_for_bit_where_it_would_have(model, server, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    server.do(model=model, run=str(whole), resume=False, steps=STEPS, seconds=1e9)
    chance = random.Random(model)
    kills, resumed_from, resume = 0, [], False
    for _ in range(40):
        pid = server.start(model=model, run=str(broken), resume=resume, steps=STEPS)
        if kills < KILLS:
            wait_for_step(broken, (resumed_from[-1] if resumed_from else 0) + chance.choice([0, 1, 15, 30]))
            time.sleep(chance.uniform(0, 0.05))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        end = server.finish()
        if end["status"] == 0:
            break
        assert end["status"] == -signal.SIGKILL, end["said"]
        kills += 1
        found = Checkpoints(broken).latest()
        resumed_from.append(found[1]["step"] if found else 0)
        assert not (broken / "config.json").exists()  # no model before the run has ended
        resume = True
    assert end["status"] == 0 and kills >= 3
    assert any(0 < step < STEPS for step in resumed_from), "no kill fell between checkpoints: nothing was tested"
    assert ending(broken) == ending(whole)
    assert len(list((broken / "checkpoints").glob("step-*.safetensors"))) <= 2


def test_going_on_with_a_finished_run_changes_nothing(server, tmp_path):
    run = tmp_path / "run"
    server.do(model="vae", run=str(run), resume=False, steps=60)
    before = ending(run)
    server.do(model="vae", run=str(run), resume=True, steps=60)
    assert ending(run) == before


def small_vae(run, resume=False, steps=60, **options):
    model = VAE(latent_dim=2, width=8, n_layers=1)
    return model.fit(
        zoo.moons(100), steps=steps, batch_size=20, validation=0.2, run=run, resume=resume, progress=False, device="cpu", **options
    )


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(Run, "CHECKPOINT_SECONDS", 0.0)


def test_a_crash_while_the_history_is_taken_up_loses_none_of_it(tmp_path, often, monkeypatch):
    want = tmp_path / "want"
    small_vae(want)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:  # stop in the middle of the run
        patch.setattr(VAE, "loss", stopping_after(VAE.loss, 40))
        with pytest.raises(KeyboardInterrupt):
            small_vae(run)
    lines = (run / "history.jsonl").read_text()
    assert lines
    with monkeypatch.context() as patch:  # and again at the first write of the resumed run
        patch.setattr("genus.learning.history.json.dumps", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small_vae(run, resume=True)
    assert (run / "history.jsonl").read_text().startswith(lines[: len(lines) // 2])
    small_vae(run, resume=True)
    assert ending(run) == ending(want)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def stopping_after(method, calls):
    count = 0

    def counted(*args, **kwargs):
        nonlocal count
        count += 1
        if count > calls:
            raise KeyboardInterrupt
        return method(*args, **kwargs)

    return counted


# -------------------------------------------------------------------------------------------------- a disk that refuses


class Refusal:
    """Makes the k-th call that touches the disk fail as a full disk does: open for writing, write, fsync, replace."""

    def __init__(self, patch: pytest.MonkeyPatch, k: int) -> None:
        self.k, self.calls = k, 0
        for module, name in ((os, "fsync"), (os, "replace")):
            patch.setattr(module, name, self.wrapped(getattr(module, name)))
        plain = builtins.open

        def opened(path, mode="r", *args, **kwargs):
            if not set(mode) & set("wax+"):
                return plain(path, mode, *args, **kwargs)
            self.count()
            return Handle(plain(path, mode, *args, **kwargs), self)

        patch.setattr(builtins, "open", opened)
        patch.setattr(io, "open", opened)  # what pathlib writes with

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.k:
            raise OSError(errno.ENOSPC, "No space left on device")

    def wrapped(self, function):
        def counted(*args, **kwargs):
            self.count()
            return function(*args, **kwargs)

        return counted


class Handle:
    def __init__(self, file, refusal: Refusal) -> None:
        self.file, self.refusal = file, refusal

    def write(self, content):
        if self.refusal.calls + 1 == self.refusal.k:  # a disk fills in the middle of a write
            self.file.write(content[: len(content) // 2])
            self.file.flush()
        self.refusal.count()
        return self.file.write(content)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def test_every_call_of_a_save_may_fail_and_the_old_model_is_there(tmp_path):
    old, new = Gaussian().fit(zoo.moons(50)), Gaussian().fit(zoo.moons(50) * 3 + 1)
    states = [zoo.state_of(old), zoo.state_of(new)]
    assert not zoo.same_state(*states)
    outcomes = []
    for k in range(1, 50):
        folder = tmp_path / str(k)
        old.save(folder)
        with pytest.MonkeyPatch.context() as patch:
            Refusal(patch, k)
            try:
                new.save(folder)
                failed = False
            except OSError as error:
                assert error.errno == errno.ENOSPC
                failed = True
        there = zoo.state_of(genus.load_model(folder))
        which = [zoo.same_state(there, state) for state in states]
        assert any(which), f"call {k}: neither the old model nor the new one"
        assert no_litter(folder) and len(list(folder.glob("model-*"))) == 1, f"call {k}"
        outcomes.append((failed, which.index(True)))
        if not failed:
            break
    assert outcomes[-1] == (False, 1) and len(outcomes) >= 8  # two files, each opened, written, synced, renamed
    assert sum(which == 0 for _, which in outcomes) >= 6
    new.save(tmp_path / "1")  # and the next save is as good as ever
    assert zoo.same_state(zoo.state_of(genus.load_model(tmp_path / "1")), states[1])
    assert len(list((tmp_path / "1").glob("model-*"))) == 1


def test_a_first_save_that_fails_leaves_nothing(tmp_path):
    model = Gaussian().fit(zoo.moons(50))
    for k in range(1, 9):
        with pytest.MonkeyPatch.context() as patch:
            Refusal(patch, k)
            with pytest.raises(OSError, match="No space left"):
                model.save(tmp_path / str(k))
        left = {path.name for path in (tmp_path / str(k)).iterdir()}
        assert left == set() or (k == 8 and len(left) == 2)  # the last call syncs the folder: both files are in place


def test_a_space_that_could_not_be_read_back_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr("genus.artifacts.LARGEST_CONFIG", 2**14)
    few, many = torch.randn(9, 3), torch.randn(9, 500)
    model = GaussianMixture(n_components=1, covariance_type="diag")
    model.fit(few, progress=False).save(tmp_path / "few")
    with pytest.raises(ValueError, match="MB of config, more than .* fewer coordinates"):
        model.fit(many, progress=False).save(tmp_path / "many")
    assert not (tmp_path / "many").exists()


def test_weights_that_nothing_names_go_at_the_next_save(tmp_path):
    for name in ("model-0123456789abcdef.safetensors", "model-00001-of-00002.safetensors", "model-mine.safetensors"):
        (tmp_path / name).touch()
    Gaussian().fit(zoo.moons(50)).save(tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    assert {"model-00001-of-00002.safetensors", "model-mine.safetensors"} < there and len(there) == 4
    assert "model-0123456789abcdef.safetensors" not in there


def test_two_who_save_at_once_leave_one_model(tmp_path, monkeypatch):
    first, second = (Gaussian().fit(zoo.moons(50) + i) for i in (0, 1))
    meanwhile = threading.Thread(target=second.save, args=(tmp_path,))

    def written(path, content):  # the second begins when the first has written its weights
        write_atomically(path, content)
        if meanwhile.ident is None:
            meanwhile.start()
            meanwhile.join(0.3)

    monkeypatch.setattr("genus.artifacts.write_atomically", written)
    first.save(tmp_path)
    meanwhile.join()
    assert zoo.same_state(zoo.state_of(genus.load_model(tmp_path)), zoo.state_of(second))
    assert len(list(tmp_path.iterdir())) == 2


def test_every_call_of_a_run_may_fail_and_it_goes_on(tmp_path, often):
    want = tmp_path / "want"
    small_vae(want)
    failures = 0
    for k in (1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 40, 41, 42, 43, 90, 120):
        run = tmp_path / str(k)
        with pytest.MonkeyPatch.context() as patch:
            Refusal(patch, k)
            try:
                small_vae(run)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                failures += 1
        assert no_litter(tmp_path)
        if (run / "history.jsonl").exists():
            read_history(run / "history.jsonl")
        small_vae(run, resume=True)
        assert ending(run) == ending(want), f"call {k}"
    assert failures >= 15


# ------------------------------------------------------------------------------------------------------ damaged files


def killed_while_writing(path: Path) -> None:
    """What a process leaves that is killed when all is written and nothing renamed."""
    if (child := os.fork()) == 0:
        os.replace = lambda *paths: os._exit(0)
        write_atomically(path, b"half")
    os.waitpid(child, 0)


def test_what_a_killed_writer_left_is_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {}, {})
    written = checkpoints.folder / f".step-0000000002.safetensors.{os.getppid()}.partial"  # by a process that is at it
    other = checkpoints.folder / ".step-theirs.safetensors.x.partial"
    namesake = checkpoints.folder / f".step-0000000002.safetensors.{os.getpid()}.partial"  # of one with the number of this
    written.touch(), other.touch()
    for sweep in (lambda: checkpoints.save(3, {}, {}), checkpoints.clear):
        killed_while_writing(checkpoints.folder / "step-0000000002.safetensors")
        namesake.touch()
        assert len(list(checkpoints.folder.glob("*.partial"))) == 4
        sweep()
        assert set(checkpoints.folder.glob("*.partial")) == {written, other}
    model = Gaussian().fit(zoo.moons(50))
    for name in ("model-0123.safetensors", "config.json", "another.txt", "run.json", "history.jsonl"):
        killed_while_writing(tmp_path / name)
    model.save(tmp_path)
    assert {path.name.split(".")[1] for path in tmp_path.glob("*.partial")} == {"another", "run", "history"}
    small_vae(tmp_path / "run")
    for name in ("history.jsonl", "run.json"):
        killed_while_writing(tmp_path / "run" / name)
    small_vae(tmp_path / "run")
    assert no_litter(tmp_path / "run")


def damage(content: bytes, chance: random.Random) -> bytes:
    """A file that a disk, a cable or a power cut has had its way with; never the same as before."""
    kind = chance.choice(["cut", "cut", "flip", "flip", "flip", "zeros", "longer", "garbage", "empty", "header"])
    content = bytearray(content)
    at = chance.randrange(len(content))
    if kind == "cut":
        return bytes(content[:at])
    if kind == "flip":
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "header":
        content[chance.randrange(min(len(content), 300))] ^= 1 << chance.randrange(8)
    elif kind == "zeros":
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif kind == "longer":
        content += bytes(chance.randrange(1, 100))
    elif kind == "garbage":
        content[at : at + 32] = chance.randbytes(len(content[at : at + 32]))
    else:
        return b""
    return bytes(content)


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory):
    """A run stopped half way, with two checkpoints; and the end of the same run left alone."""
    folder = tmp_path_factory.mktemp("checkpointed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "CHECKPOINT_SECONDS", 0.0)
        small_vae(folder / "want")
        patch.setattr(VAE, "loss", stopping_after(VAE.loss, 45))
        with pytest.raises(KeyboardInterrupt):
            small_vae(folder / "run")
    assert len(list((folder / "run" / "checkpoints").iterdir())) == 2
    return folder


def test_damaged_checkpoints_are_passed_over_never_believed(checkpointed, tmp_path):
    older, newer = sorted((checkpointed / "run" / "checkpoints").iterdir())
    sound = {path.name: read_tensors(path) for path in (older, newer)}
    chance = random.Random(0)
    fallen_back = 0
    for trial in range(60):
        run = tmp_path / str(trial)
        (run / "checkpoints").mkdir(parents=True)
        shutil.copy(older, run / "checkpoints" / older.name)
        (run / "checkpoints" / newer.name).write_bytes(damage(newer.read_bytes(), chance))
        tensors, about = Checkpoints(run).latest()
        name = older.name if about["step"] == sound[older.name][1]["step"] else newer.name
        assert about == sound[name][1] and zoo.same_state(tensors, sound[name][0])
        fallen_back += name == older.name
    assert fallen_back >= 55


@pytest.mark.parametrize("torn", ["newer", "both"])
def test_a_run_with_damaged_checkpoints_ends_where_it_would_have(checkpointed, torn, tmp_path, often):
    run = tmp_path / "run"
    shutil.copytree(checkpointed / "run", run)
    chance = random.Random(1)
    for path in sorted((run / "checkpoints").iterdir())[1 if torn == "newer" else 0 :]:
        path.write_bytes(path.read_bytes()[: chance.randrange(1000)])
    small_vae(run, resume=True)
    assert ending(run) == ending(checkpointed / "want")


def test_damaged_models_are_refused(tmp_path):
    model = GaussianMixture(n_components=2).fit(zoo.moons(60))
    model.save(tmp_path / "sound")
    state = zoo.state_of(model)
    weights = next((tmp_path / "sound").glob("model-*"))
    chance = random.Random(2)
    refused = 0
    for trial in range(60):
        folder = tmp_path / str(trial)
        shutil.copytree(tmp_path / "sound", folder)
        (folder / weights.name).write_bytes(damage(weights.read_bytes(), chance))
        try:
            loaded = genus.load_model(folder)
        except ValueError as error:
            assert weights.name in str(error)
            refused += 1
        else:
            assert zoo.same_state(zoo.state_of(loaded), state)  # a byte between header and tensors: nothing was lost
    assert refused >= 55


def test_a_bit_flipped_anywhere_in_a_config_makes_no_other_model(tmp_path):
    model = GaussianMixture(n_components=2).fit(zoo.numbers(60))
    model.save(tmp_path)
    content, chance = (tmp_path / "config.json").read_bytes(), random.Random(4)
    refused = 0
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << chance.randrange(8)
        (tmp_path / "config.json").write_bytes(flipped)
        try:
            loaded = genus.load_model(tmp_path)
        except (ValueError, FileNotFoundError) as error:
            assert "config.json" in str(error)
            refused += 1
        else:  # white space
            assert loaded.get_params() == model.get_params() and loaded.space == model.space
            assert zoo.same_state(zoo.state_of(loaded), zoo.state_of(model))
    assert refused > 0.95 * len(content)


def test_weights_exchanged_or_a_config_edited_are_refused(tmp_path):
    for i in (0, 1):
        zoo.quickly(VAE(latent_dim=2, width=8, n_layers=1), zoo.moons(60), seed=i).save(tmp_path / str(i))
    one, other = (next((tmp_path / str(i)).glob("model-*")) for i in (0, 1))
    own = one.read_bytes()
    shutil.copy(other, one)
    with pytest.raises(DamagedFile, match="edited, exchanged or damaged; undo that, or save the model anew"):
        genus.load_model(tmp_path / "0")
    one.write_bytes(own)
    genus.load_model(tmp_path / "0")
    config = json.loads((tmp_path / "0" / "config.json").read_text())
    for change in ({"genus": "9.9"}, {"hyper_parameters": {**config["hyper_parameters"], "beta": 2.0}}, {"model": "gan"}):
        (tmp_path / "0" / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(DamagedFile, match=f"config.json: is not what was saved with {one.name}"):
            genus.load_model(tmp_path / "0")
    (tmp_path / "0" / "config.json").write_text(json.dumps(config))  # in other words the same
    genus.load_model(tmp_path / "0")


def test_a_torn_last_line_of_the_history_is_dropped(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_history(path) == [{"step": 1}, {"step": 2}]


# ---------------------------------------------------------------------------------------------------- strangers' folders


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Folders as genus writes them, to be made hostile."""
    folder = tmp_path_factory.mktemp("honest")
    zoo.quickly(VAE(latent_dim=2, width=8, n_layers=1), zoo.moons(60)).save(folder / "vae")
    zoo.quickly(VAE(latent_dim=2, width=8, n_layers=1), zoo.table(60), given=["a", "b"] * 30).save(folder / "given")
    zoo.quickly(genus.GPT(n_layers=1, n_heads=2, width=8, context=8), zoo.words()).save(folder / "gpt")
    Gaussian().fit(zoo.moons(60)).save(folder / "gaussian")
    GaussianMixture(n_components=2).fit(zoo.moons(60)).save(folder / "mixture")
    return folder


HUGE = 10**9


def put(*path_and_value):
    """A change of config.json: put(key, ..., value)."""
    *path, value = path_and_value

    def change(config):
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = value

    return change


def drop(key):
    return lambda config: config.pop(key)


HOSTILE = [
    ("vae", "unknown key", put("code", "import os")),
    ("vae", "missing key", drop("weights")),
    ("vae", "no space", put("space", None)),
    ("vae", "another format", put("format", 99)),
    ("vae", "format true", put("format", True)),
    ("vae", "format a fraction", put("format", 2.0)),
    ("vae", "a model of a million letters", put("model", "vae" * 10**6)),
    ("vae", "a key of a million letters", put("x" * 10**6, 1)),
    ("vae", "width a million numbers", put("hyper_parameters", "width", [8] * 10**6)),
    ("vae", "unknown model", put("model", "os.system")),
    ("vae", "model of another kind", put("model", ["vae"])),
    ("vae", "the base class", put("model", "Model")),
    ("vae", "unknown hyper-parameter", put("hyper_parameters", "__class__", "x")),
    ("vae", "private hyper-parameter", put("hyper_parameters", "_modules", {})),
    ("vae", "hyper-parameters a list", put("hyper_parameters", [])),
    ("vae", "width text", put("hyper_parameters", "width", "8")),
    ("vae", "width fraction", put("hyper_parameters", "width", 8.5)),
    ("vae", "width null", put("hyper_parameters", "width", None)),
    ("vae", "width negative", put("hyper_parameters", "width", -8)),
    ("vae", "width huge", put("hyper_parameters", "width", HUGE)),
    ("vae", "width beyond", put("hyper_parameters", "width", 10**30)),
    ("vae", "depth huge", put("hyper_parameters", "n_layers", HUGE)),
    ("vae", "depth and width large", lambda c: c["hyper_parameters"].update(n_layers=200, width=HUGE)),
    ("vae", "latent_dim huge", put("hyper_parameters", "latent_dim", HUGE)),
    ("vae", "beta NaN", put("hyper_parameters", "beta", math.nan)),
    ("vae", "beta infinite", put("hyper_parameters", "beta", math.inf)),
    ("vae", "head unknown", put("hyper_parameters", "head", "__import__('os')")),
    ("vae", "another width", put("hyper_parameters", "width", 16)),
    ("gpt", "depth huge", put("hyper_parameters", "n_layers", HUGE)),
    ("gpt", "depth and width large", lambda c: c["hyper_parameters"].update(n_layers=200, width=10**6)),
    ("gpt", "heads huge", put("hyper_parameters", "n_heads", HUGE)),
    ("gpt", "alphabet huge", put("space", "tokenizer", "alphabet", "".join(map(chr, range(0x4E00, 0x4E00 + 20000))))),
    ("gpt", "tokenizer unknown", put("space", "tokenizer", {"kind": "pickle", "data": "gASV"})),
    ("gpt", "tokenizer a broken bpe", put("space", "tokenizer", {"kind": "bpe", "json": "{]"})),
    ("gpt", "tokenizer missing", put("space", "tokenizer", None)),
    ("gpt", "vocabulary huge", put("space", {"kind": "Tokens", "vocabulary": HUGE, "length": None, "ends": True})),
    ("gpt", "length huge", put("space", {"kind": "Tokens", "vocabulary": 3, "length": HUGE, "ends": False})),
    ("gpt", "length negative", put("space", {"kind": "Tokens", "vocabulary": 3, "length": -4, "ends": False})),
    ("gpt", "length text", put("space", {"kind": "Tokens", "vocabulary": 3, "length": "4", "ends": False})),
    ("mixture", "components huge", put("hyper_parameters", "n_components", HUGE)),
    ("gaussian", "shape huge", put("space", {"kind": "Reals", "shape": [HUGE], "dtype": "float32", "location": None, "scale": None})),
    ("gaussian", "shape huger", put("space", {"kind": "Reals", "shape": [HUGE, HUGE, HUGE, HUGE]})),
    ("gaussian", "shape negative", put("space", {"kind": "Reals", "shape": [-2]})),
    ("gaussian", "shape text", put("space", "shape", "2")),
    ("gaussian", "shape nested", put("space", "shape", [[2]])),
    ("gaussian", "dtype code", put("space", "dtype", "os")),
    ("gaussian", "scale NaN", put("space", "scale", [math.nan, 1.0])),
    ("gaussian", "scale beyond every float", put("space", "scale", [10**400, 1.0])),
    ("gaussian", "scale negative", put("space", "scale", [-1.0, 1.0])),
    ("gaussian", "location infinite", put("space", "location", [math.inf, 1.0])),
    ("gaussian", "location too short", put("space", "location", [0.0])),
    ("gaussian", "location text", put("space", "location", ["a", "b"])),
    ("gaussian", "space unknown", put("space", "kind", "Evil")),
    ("gaussian", "space kind a list", put("space", "kind", ["Reals"])),
    ("gaussian", "images huge", put("space", {"kind": "Images", "channels": 3, "height": HUGE, "width": HUGE})),
    ("gaussian", "images text", put("space", {"kind": "Images", "channels": "3", "height": 8, "width": 8})),
    ("gaussian", "images fraction", put("space", {"kind": "Images", "channels": 1.5, "height": 8, "width": 8})),
    ("gaussian", "binary huge", put("space", {"kind": "Binary", "shape": [HUGE, HUGE]})),
    ("gaussian", "sequence of nothing", put("space", {"kind": "Sequence", "length": 3})),
    ("gaussian", "sequence huge", put("space", {"kind": "Sequence", "item": {"kind": "Reals", "shape": [2]}, "length": HUGE})),
    ("gaussian", "extra argument", put("space", "evil", 1)),
    ("given", "column kind", put("space", "columns", 0, "kind", "evil")),
    ("given", "column dtype", put("space", "columns", 0, "dtype", "os.system")),
    ("given", "column name a list", put("space", "columns", 0, "name", ["a"])),
    ("given", "column scale text", put("space", "columns", 0, "scale", "1")),
    ("given", "column scale NaN", put("space", "columns", 0, "scale", math.nan)),
    ("given", "column low text", put("space", "columns", 1, "low", "0")),
    ("given", "column scale a huge whole number", put("space", "columns", 0, "scale", 10**30)),
    ("given", "a whole column without ends", put("space", "columns", 1, "low", None)),
    ("gpt", "ends null", put("space", "ends", None)),
    ("given", "column missing a list", put("space", "columns", 1, "missing", [])),
    ("given", "column unknown key", put("space", "columns", 0, "evil", 1)),
    ("given", "categories nested", put("space", "columns", 2, "categories", [["a"], ["b"], ["c"]])),
    ("given", "categories text", put("space", "columns", 2, "categories", "abc")),
    ("given", "categories none", put("space", "columns", 2, "categories", [])),
    ("given", "columns a number", put("space", "columns", 3)),
    ("given", "no columns", put("space", "columns", [])),
    ("given", "form", put("space", "form", "evil")),
    ("given", "given space a scalar", put("given_space", {"kind": "Reals", "shape": []})),
    ("given", "given space text", put("given_space", "Reals")),
    ("given", "given space ragged", put("given_space", {"kind": "Tokens", "vocabulary": 3, "ends": True})),
    ("gaussian", "given where none is learned", put("given_space", {"kind": "Reals", "shape": [1]})),
    ("vae", "weights above", put("weights", "../../etc/passwd")),
    ("vae", "weights absolute", put("weights", "/etc/passwd")),
    ("vae", "weights above, well named", put("weights", "../vae/model.safetensors")),
    ("vae", "weights missing", put("weights", "model-0000.safetensors")),
    ("vae", "weights dots", put("weights", "..safetensors")),
    ("vae", "weights null byte", put("weights", "a\0.safetensors")),
    ("vae", "weights long", put("weights", "a" * 5000 + ".safetensors")),
    ("vae", "weights a number", put("weights", 7)),
    ("vae", "weights a list", put("weights", ["model.safetensors"])),
]  # fmt: skip


def refused(server, folder: Path, seconds: float = 1.0) -> str:
    result = server.do(load=str(folder))
    kind = result["said"].split(":")[0]
    assert kind in ("ValueError", "FileNotFoundError", "DamagedFile"), result["said"][:300]
    assert result["seconds"] < seconds and result["megabytes"] < 200, result
    assert "allocate" not in result["said"]  # refused by its shape, not by running out of memory
    return result["said"]


@pytest.mark.parametrize("base, what, change", [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in HOSTILE])
def test_hostile_configs_are_refused_fast(base, what, change, honest, server, tmp_path):
    folder = tmp_path / "hostile"
    shutil.copytree(honest / base, folder)
    config = json.loads((folder / "config.json").read_text())
    named = config["weights"]
    change(config)
    if config.get("weights") == named:
        zoo.forge(folder, config)
    else:
        (folder / "config.json").write_text(json.dumps(config))
    said = refused(server, folder)
    assert len(said) < 1000 and "\n" not in said
    assert "exchanged" not in said  # refused by what it asks for


def test_the_honest_folders_do_load(honest, server):
    for folder in honest.iterdir():
        assert server.do(load=str(folder))["said"] == "loaded"


RAW = {
    "not JSON": b"{]",
    "empty": b"",
    "a list": b"[]",
    "a number": b"1e999",
    "not UTF-8": b"\xff\xfe{}",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "a pickle": pickle.dumps({"model": "vae"}),
    "twenty million lists": b"[" + b"[]," * (20 * 2**20) + b"[]]",
    "a key twice": b'{"format": 2, "model": "vae", "model": "gaussian"}',
}


@pytest.mark.parametrize("what", list(RAW))
def test_configs_that_are_no_configs(what, honest, server, tmp_path):
    shutil.copytree(honest / "vae", tmp_path / "x")
    (tmp_path / "x" / "config.json").write_bytes(RAW[what])
    assert "config.json: is" in refused(server, tmp_path / "x")


def test_deeply_nested_spaces(honest, server, tmp_path):
    shutil.copytree(honest / "gaussian", tmp_path / "x")
    for depth in (50, 400, 900):
        config = json.loads((tmp_path / "x" / "config.json").read_text())
        zoo.forge(tmp_path / "x", {**config, "space": json.loads(nested(depth))})
        assert "exchanged" not in refused(server, tmp_path / "x")


def nested(depth: int) -> str:
    return '{"kind": "Sequence", "length": 2, "item": ' * depth + '{"kind": "Reals", "shape": [2]}' + "}" * depth


class Touch:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def weights_in(folder: Path) -> Path:
    return next(folder.glob("model-*"))


def sound_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(weights_in(folder))[0]


WEIGHTS = {
    "a tensor less": lambda t: {n: x for n, x in list(t.items())[1:]},
    "a tensor more": lambda t: {**t, "evil": torch.zeros(3)},
    "a large tensor more": lambda t: {**t, "evil": torch.zeros(10**6)},
    "another shape": lambda t: {**t, "means": torch.zeros(3, 3, dtype=torch.float64)},
    "whole numbers": lambda t: {**t, "means": torch.zeros_like(t["means"], dtype=torch.int64)},
    "bools": lambda t: {n: torch.zeros_like(x, dtype=torch.bool) for n, x in t.items()},
    "one tensor": lambda t: {"means": t["means"]},
}


@pytest.mark.parametrize("what", list(WEIGHTS))
def test_weights_that_do_not_belong(what, honest, server, tmp_path):
    shutil.copytree(honest / "mixture", tmp_path / "x")
    zoo.forge(tmp_path / "x", tensors=WEIGHTS[what](sound_tensors(tmp_path / "x")))
    assert "the tensor" in refused(server, tmp_path / "x")


def test_weights_of_another_hand(honest, server, tmp_path):
    """A pickle, a plain safetensors file, links and devices in the place of the weights; nothing is run."""
    base = tmp_path / "base"
    shutil.copytree(honest / "mixture", base)
    tensors = sound_tensors(base)
    path = weights_in(base)
    trap = tmp_path / "trap"
    torch.save({"means": Touch(trap)}, path)
    refused(server, base)
    path.write_bytes(pickle.dumps(Touch(trap)))
    refused(server, base)
    assert not trap.exists()
    save_file(tensors, path)  # sound tensors without our digest
    refused(server, base)
    for target in ("/dev/zero", "/etc/passwd", "/proc/self/mem", str(path), str(tmp_path), "/nonexistent"):
        path.unlink()
        path.symlink_to(target)
        refused(server, base)
    path.unlink()
    os.mkfifo(path)
    refused(server, base)
    path.unlink()
    path.mkdir()
    refused(server, base)


def put_in_the_middle(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[tensor.numel() // 2] = value
        return tensor

    return change


def lopsided(tensor):
    tensor = tensor.clone()
    tensor[..., 0, 1] += 7
    return tensor


REAL = {
    "NaN": put_in_the_middle(math.nan), "infinity": put_in_the_middle(math.inf), "a huge number": lambda t: put_in_the_middle(torch.finfo(t.dtype).max)(t),
    "negative": lambda t: -t - 1e-3, "zero": torch.zeros_like, "tiny": lambda t: torch.full_like(t, 1e-300), "lopsided": lopsided,
    "half precision": torch.Tensor.half, "another precision": lambda t: t.to(torch.float32 if t.dtype == torch.float64 else torch.float64),
}  # fmt: skip
WHOLE = {
    "beyond": lambda t: torch.full_like(t, torch.iinfo(t.dtype).max), "before": lambda t: -1 - t, "zero": torch.zeros_like,
    "shuffled": lambda t: t.flip(0), "bools": torch.Tensor.bool,
}  # fmt: skip
GROWN = {"cut off": lambda t: t[:0], "cut": lambda t: t[:1], "doubled": lambda t: torch.cat([t, t])}


def try_out(model, some):
    """Every verb there is: none may crash."""
    if isinstance(model, CanSample):
        model.sample(3)
    for capability, verb in (
        (HasScore, "score_samples"), (Completes, "complete"), (HasLatent, "reconstruct"), (Classifies, "predict_proba"),
        (MixtureModel, "impute"), (MixtureModel, "responsibilities"), (HiddenMarkov, "states"),
    ):  # fmt: skip
        if isinstance(model, capability):
            getattr(model, verb)(some)
    if isinstance(model, CanGenerate) and isinstance(model.space, Tokens):
        model.generate(max_new_tokens=5, temperature=0.5)
        model.generate(max_new_tokens=5, num_beams=2)
    elif isinstance(model, Forecasts):
        model.forecast(some.raw[0], 2, n_samples=5)


STRANGE = [
    *zoo.one_case_a_model(),
    *(zoo.Case(*names) for names in (("hidden-markov", "tokens"), ("mixture", "table"), ("naive-bayes", "table"))),
]


@pytest.mark.parametrize("case", STRANGE, ids=str)
def test_a_strangers_numbers_are_refused_or_do_no_harm(case, tmp_path):
    model = case.fit()
    model.save(tmp_path)
    state, some = zoo.state_of(model), case.examples[:10]
    for name, tensor in state.items():
        changes = (REAL if tensor.is_floating_point() else WHOLE) | (GROWN if name in model.data_sized else {})
        for what, change in changes.items():
            if tensor.numel() == 0 or (what == "lopsided" and (tensor.ndim < 2 or min(tensor.shape[-2:]) < 2)):
                continue
            zoo.forge(tmp_path, tensors={**state, name: change(tensor)})
            try:
                loaded = genus.load_model(tmp_path)
            except ValueError as error:
                assert f"tensor {name!r}" in str(error) or "the file is damaged" in str(error)
                continue
            assert what not in ("half precision", "bools") and (what != "NaN" or case.model == "empirical"), f"{name}, {what}"
            try_out(loaded, some)


HEADERS = {
    "header length huge": (2**63).to_bytes(8, "little") + b"{}",
    "header length beyond the file": (10**6).to_bytes(8, "little") + b"{}",
    "short": b"abc",
    "a list": (2).to_bytes(8, "little") + b"[]",
    "millions of tensors": (8 * 10**6).to_bytes(8, "little") + b'{"a":[' + b"[]," * (4 * 10**6),
    "shape text": None,
    "shape negative": None,
    "shape huge": None,
    "entry a list": None,
}
ENTRIES = {
    "shape text": {"dtype": "F64", "shape": "22", "data_offsets": [0, 32]},
    "shape negative": {"dtype": "F64", "shape": [-2, 2], "data_offsets": [0, 32]},
    "shape huge": {"dtype": "F64", "shape": [2**40, 2**40], "data_offsets": [0, 32]},
    "entry a list": [1, 2, 3],
}


@pytest.mark.parametrize("what", list(HEADERS))
def test_headers_that_lie(what, honest, server, tmp_path):
    shutil.copytree(honest / "mixture", tmp_path / "x")
    path = weights_in(tmp_path / "x")
    content = HEADERS[what]
    if content is None:
        entries = dict.fromkeys(sound_tensors(tmp_path / "x"), ENTRIES[what])
        header = json.dumps({"__metadata__": {"genus": "0" * 32 + "{}"}, **entries}).encode()
        content = len(header).to_bytes(8, "little") + header + bytes(64)
        config = json.loads((tmp_path / "x" / "config.json").read_text())
        path = tmp_path / "x" / _name_of_weights(config, "0" * 32)
        (tmp_path / "x" / "config.json").write_text(json.dumps({**config, "weights": path.name}))
    path.write_bytes(content)
    assert "exchanged" not in refused(server, tmp_path / "x")


def test_random_changes_of_a_config_never_crash_the_loader(honest, tmp_path):
    """What a fuzzer finds: any value of a config replaced by any other kind of value."""
    chance = random.Random(3)
    values = [None, True, -1, 0, 1, 2, 3.5, math.nan, math.inf, 10**9, 10**30, "", "x", "\0", [], {}, [[]], ["a"], {"a": 1}, [1, 2]]
    loaded = 0
    for base in ("vae", "given", "gpt", "gaussian", "mixture"):
        folder = tmp_path / base
        shutil.copytree(honest / base, folder)
        text, tensors = (folder / "config.json").read_text(), sound_tensors(folder)
        for trial in range(80):
            config = json.loads(text)
            places = []

            def walk(node):
                items = node.items() if isinstance(node, dict) else enumerate(node)
                for key, value in items:
                    places.append((node, key))  # noqa: B023
                    if isinstance(value, dict | list):
                        walk(value)

            walk(config)
            for _ in range(chance.randint(1, 2)):
                node, key = chance.choice(places)
                value = chance.choice(values)
                if key == "shape" and value in (10**9, 10**30):
                    continue
                node[key] = value
            if config.get("weights") == json.loads(text)["weights"]:
                zoo.forge(folder, config, tensors)
            else:
                (folder / "config.json").write_text(json.dumps(config))
            started = time.process_time()
            try:
                model = genus.load_model(folder)
                loaded += 1
            except (ValueError, FileNotFoundError):
                assert time.process_time() - started < 1
                continue
            given = (
                {} if model.given_space is None else {"given": model.given_space.decode(torch.zeros(1, *model.given_space.shape))}
            )
            try:  # what loads must also work
                model.sample(2, **given)
            except Exception as error:
                pytest.fail(
                    f"{base} {trial}: loads, but sample raises {type(error).__name__}: {error}\n{json.dumps(config)[:3000]}"
                )
    assert loaded < 200


def test_loading_wakes_no_compiler(tmp_path):
    """Some operations on the meta device import sympy and torch._dynamo: half a second to two."""
    for case in zoo.one_case_a_model():
        case.fit().save(tmp_path / case.model)
    code = (
        f"import pathlib, sys, genus\nfor f in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):\n    genus.load_model(f)\n"
        "    if 'sympy' in sys.modules:\n        sys.exit(f.name)"
    )
    path = os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_nothing_of_a_folder_is_imported(honest, tmp_path):
    shutil.copytree(honest / "vae", tmp_path / "x")
    for name in ("genus.py", "torch.py", "__init__.py", "conftest.py", "model.py"):
        (tmp_path / "x" / name).write_text(f"open({str(tmp_path / 'trap')!r}, 'w')")
    genus.load_model(tmp_path / "x")
    assert not (tmp_path / "trap").exists()


def test_a_folder_of_an_unfinished_run_says_what_to_do(checkpointed):
    with pytest.raises(FileNotFoundError, match="go on with resume"):
        genus.load_model(checkpointed / "run")


@pytest.mark.parametrize("path", [None, 3, b"x", ["a"], "", "a\0b"], ids=repr)
def test_what_is_no_path_is_refused_by_name(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Gaussian().fit(zoo.moons(50))
    kind = ValueError if isinstance(path, str) else TypeError
    with pytest.raises(kind, match="^folder"):
        model.save(path)
    with pytest.raises(kind, match="^folder"):
        genus.load_model(path)
    if path is not None:
        with pytest.raises(kind, match="^run"):
            model.fit(zoo.moons(50), run=path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"device": "meta"}, "device='meta' is not known: choose"),
        ({"resume": "yes"}, "resume='yes' is of type str, but it must be True or False"),
        ({"resume": 2}, "resume=2 is of type int"),
        ({"progress": None}, "progress=None is of type NoneType"),
        ({"validation": zoo.moons(50)}, r"validation=Tensor of shape \(50, 2\): Gaussian learns in closed form"),
        ({"validation": [0.5] * 1000}, r"validation=\[0.5, .{70,80}\.\.\.: Gaussian learns"),
        ({"precision": torch.zeros(3).numpy()}, r"precision=ndarray of shape \(3,\) is not known"),
    ],
)
def test_odd_settings_are_refused_in_a_line(asked, sentence):
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}") as error:
        Gaussian().fit(zoo.moons(50), **asked)
    assert "\n" not in str(error.value)


def test_the_error_of_a_damaged_file_is_a_value_error():
    assert issubclass(DamagedFile, ValueError)
