"""Artifacts: a fitted model as a folder that holds no code: config.json and model-<digest>.safetensors.

config.json names the weights and is renamed into place last, so a folder is the old model or the new one. Loading a
stranger's folder runs nothing of theirs: the config is checked field by field, the model is built on the meta device
(shapes, no memory), and only when every shape in the file's header agrees are tensors read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from genus.files import (
    DamagedFile,
    header_shapes,
    read_tensors,
    remove_partials,
    tensor_bytes,
    write_atomically,
)
from genus.model import Conditional, Model
from genus.registry import find_model, name_of
from genus.spaces import space_config, space_from

FORMAT = 1
LARGEST_CONFIG = 64 * 2**20  # bytes; the alphabet of a text and the columns of a table fit many times over
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
}  # fmt: skip
_KEYS = {"format", "genus", "model", "hyper_parameters", "space", "given_space", "weights"}


def save_model(model: Model, folder: str | Path) -> None:
    """Write a fitted model to a folder.

    Raises RuntimeError if it is not fitted or was given other hyper-parameters since, FileExistsError if the folder has a
    config.json that genus did not write, OSError if the disk refuses.
    """
    import genus

    folder = Path(folder)
    space = model.fitted_space
    for name, value in model.get_params().items():
        if model.fitted_params.get(name) != value:
            raise RuntimeError(
                f"{name} is {value!r}, but the model was fitted with {model.fitted_params.get(name)!r}: fit again, or set it back"
            )
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file; pass a folder to save into")
    _refuse_foreign(folder / "config.json")
    folder.mkdir(parents=True, exist_ok=True)
    content = tensor_bytes(dict(model.state_dict()), {"model": type(model).__name__})
    weights = f"model-{hashlib.blake2b(content, digest_size=8).hexdigest()}.safetensors"
    config = {
        "format": FORMAT,
        "genus": genus.__version__,
        "model": name_of(type(model)),
        "hyper_parameters": model.get_params(),
        "space": space_config(space),
        "given_space": None if model.given_space is None else space_config(model.given_space),
        "weights": weights,
    }
    before = _weights_in(folder)
    remove_partials(folder, "model-*.safetensors")
    write_atomically(folder / weights, content)
    write_atomically(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())
    if before is not None and before.name != weights:  # what the old config.json named; nothing else is ours to remove
        before.unlink(missing_ok=True)


def refuse_to_replace(folder: Path, model: Model) -> None:
    """Raise FileExistsError where a run of this model in the folder would replace another program's files, or a run of another
    model or of another kind of data. The same model may start again in its own folder."""
    mine = (name_of(type(model)), repr(model.fitted_space))
    for path in (folder / "run.json", folder / "config.json"):  # what a run begins and ends with
        _refuse_foreign(path)
        try:
            there = json.loads(path.read_bytes())
            held = (name_of(find_model(there["model"])), repr(space_from(there["space"])) if "space" in there else mine[1])
        except (OSError, ValueError, KeyError, TypeError):  # none, or a damaged one
            continue
        if held != mine:
            raise FileExistsError(
                f"run={str(folder)!r} holds a {held[0]} of {held[1]}, which this {mine[0]} of {mine[1]} would replace; "
                "pass another folder"
            )


def _refuse_foreign(path: Path) -> None:
    """Raise FileExistsError for a file in the place of one of genus that is another program's."""
    content = path.read_bytes() if path.is_file() else b""
    if content.strip() and b'"hyper_parameters"' not in content:
        raise FileExistsError(f"{path}: is another program's, and genus would replace it; choose another folder")


def _weights_in(folder: Path) -> Path | None:
    """The weights that a sound config.json in the folder names."""
    try:
        return folder / _read_config(folder / "config.json")["weights"]
    except (OSError, ValueError):
        return None


def load_model(folder: str | Path) -> Model:
    """The fitted model of a folder. Raises FileNotFoundError if there is none, ValueError if it is not sound."""
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        there = (
            "it holds checkpoints of an unfinished run: go on with resume"
            if (folder / "checkpoints").is_dir()
            else "fit one with run=, or save one"
        )
        raise FileNotFoundError(f"{folder}: holds no model (no config.json); {there}")
    config = _read_config(path)
    cls = find_model(config["model"])
    try:
        model = cls(**config["hyper_parameters"])
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from error
    space = space_from(config["space"])
    model.given_space = None if config["given_space"] is None else space_from(config["given_space"])
    if model.given_space is not None and not isinstance(model, Conditional):
        raise ValueError(f"{path}: given_space is set, but {config['model']} does not learn with given")
    if (reason := model.refuses(space)) is not None:
        raise ValueError(f"{path}: {config['model']} cannot stand on this space: {reason}")
    weights = folder / config["weights"]
    if not weights.is_file():
        raise FileNotFoundError(f"{weights}: the weights that config.json names are missing")
    shapes = header_shapes(weights)
    _build_on_meta(model, space, path)
    _resize(model, shapes)
    _compare(model, shapes, weights)
    tensors, _ = read_tensors(weights)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.space, model.fitted_params = space, model.get_params()
    if (flaw := model.flaw()) is not None:
        raise ValueError(f"{weights}: {flaw}; the file is damaged")
    return model.eval()


class _NoStart(TorchFunctionMode):
    """Leaves random starts out: on the meta device they are nothing, and working that out wakes the compiler (a second)."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.normal_, torch.Tensor.uniform_) or getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


def _build_on_meta(model: Model, space: Any, path: Path) -> None:
    try:
        with torch.device("meta"), _NoStart():
            model.build(space)
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path}: these hyper-parameters make no {type(model).__name__}: {error}") from error


def _resize(model: Model, shapes: dict[str, tuple[tuple[int, ...], str]]) -> None:
    """Give the buffers that grow with the data the length they have in the file, still without memory."""
    for name in model.data_sized:
        if name in shapes and shapes[name][0]:
            built = model.get_buffer(name)
            setattr(model, name, built.new_empty((shapes[name][0][0], *built.shape[1:])))


def _compare(model: Model, shapes: dict[str, tuple[tuple[int, ...], str]], path: Path) -> None:
    built = model.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in built.items()}
    if missing := expected.keys() - shapes.keys():
        raise ValueError(f"{path}: the tensor {min(missing)!r} is missing")
    if unknown := shapes.keys() - expected.keys():
        raise ValueError(f"{path}: the tensor {min(unknown)!r} belongs to no part of this model")
    for name, shape in expected.items():
        if shapes[name][0] != shape:
            raise ValueError(f"{path}: the tensor {name!r} has shape {shapes[name][0]}, but config.json asks for {shape}")
        dtype = built[name].dtype
        wider = "F64" if name in model.data_sized and dtype is torch.float32 else None  # points may be kept as exact as they came
        if shapes[name][1] not in (DTYPES[dtype], wider):
            raise ValueError(f"{path}: the tensor {name!r} is of {shapes[name][1]}, numbers of another kind than the model's")


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_CONFIG:
        raise ValueError(f"{path}: is {path.stat().st_size / 2**20:.0f} MB, too large for a config")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{path}: is not JSON; the file is damaged") from error
    if not isinstance(config, dict) or set(config) != _KEYS:
        odd = sorted(_KEYS ^ set(config))[0] if isinstance(config, dict) else "an object"
        raise ValueError(f"{path}: is no config of a genus model: {odd!r} is missing or unknown")
    if config["format"] != FORMAT:
        raise ValueError(f"{path}: is of format {config['format']!r}, but this genus reads {FORMAT}; update genus")
    weights = config["weights"]
    if not isinstance(weights, str) or Path(weights).name != weights or not weights.endswith(".safetensors") or len(weights) > 255:
        raise ValueError(f"{path}: weights={weights!r:.80} must be the name of a .safetensors file in the same folder")
    if not isinstance(config["hyper_parameters"], dict) or not isinstance(config["model"], str):
        raise ValueError(f"{path}: model and hyper_parameters must be a name and an object")
    return config
