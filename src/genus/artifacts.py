"""Artifacts: a fitted model as a folder that holds no code: config.json and model-<digest>.safetensors.

config.json names the weights and is renamed into place last, so a folder is the old model or the new one. That name is a
digest of both files, so that neither is believed when it has been changed, damaged or exchanged. Loading a stranger's
folder runs nothing of theirs: the config is checked field by field, the model is built on the meta device (shapes, no
memory), and only when every shape in the file's header agrees are tensors read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genus.fields import shown
from genus.files import (
    DamagedFile,
    alone_in,
    folder_of,
    read_header,
    read_json,
    read_tensors,
    remove_partials,
    tensor_bytes,
    write_atomically,
)
from genus.model import Conditional, Model
from genus.registry import find_model, name_of
from genus.spaces import Space, Table, space_config, space_from
from genus.spaces.arrays import dtype_name

FORMAT = 2
LARGEST_CONFIG = 64 * 2**20  # bytes; a vocabulary of 100,000 takes 10 MB, 10,000 columns 4 MB, a million coordinates 50 MB
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
}  # fmt: skip
_KEYS = {"format", "genus", "model", "hyper_parameters", "space", "given_space", "weights"}
_WEIGHTS = re.compile(r"model-[0-9a-f]{16}\.safetensors")


def save_model(model: Model, folder: str | Path) -> None:
    """Write a fitted model to a folder.

    Raises RuntimeError if it is not fitted or was given other hyper-parameters since, FileExistsError if the folder has a
    config.json that genus did not write, TypeError or ValueError if `folder` is no path, ValueError if the model was cast to
    numbers of another kind, OSError if the disk refuses.
    """
    import genus

    folder = folder_of(folder, "folder")
    space = model.fitted_space
    _refuse_cast(model)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file; pass a folder to save into")
    _ours(folder / "config.json")
    config = {
        "format": FORMAT,
        "genus": genus.__version__,
        "model": name_of(type(model)),
        "hyper_parameters": model.get_params(),
        "space": space_config(space),
        "given_space": None if model.given_space is None else space_config(model.given_space),
    }
    write_model(folder, config, dict(model.state_dict()))


def _refuse_cast(model: Model) -> None:
    """Raise ValueError for numbers of another kind than `load_model` takes."""
    sketch, tensors = sketch_of(model), model.state_dict()
    for name, built in sketch.state_dict().items():
        if (held := tensors[name].dtype) not in _kinds(sketch, name, built):
            raise ValueError(
                f"the tensor {name!r} is of {dtype_name(held)}, but this {type(model).__name__} is made of "
                f"{dtype_name(built.dtype)} and could not be loaded so; turn it back, as with model.to(torch.{dtype_name(built.dtype)})"
            )


def _kinds(model: Model, name: str, built: Tensor) -> tuple[torch.dtype, ...]:
    """What a tensor of a built model may be of in a file: data that are kept may be as exact as they came."""
    wider = name in model.data_sized and built.dtype is torch.float32
    return (built.dtype, torch.float64) if wider else (built.dtype,)


def write_model(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write both files, or leave those that were there. Raises OSError, ValueError for a space too large to be read back."""
    content = tensor_bytes(tensors, {})
    digest, _ = read_header(io.BytesIO(content), folder)
    weights = _name_of_weights(config, digest)
    text = json.dumps({**config, "weights": weights}, indent=1) + "\n"
    if len(text) > LARGEST_CONFIG:  # nobody could load it
        told = f"{len(text) / 2**20:.0f} MB of config, more than the {LARGEST_CONFIG / 2**20:.0f} MB that are read"
        raise ValueError(f"{folder}: the space of this model takes {told}; fit it to fewer coordinates, columns or tokens")
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder) as alone:
        remove_partials(folder, "model-*.safetensors")
        try:
            write_atomically(folder / weights, content)
            write_atomically(folder / "config.json", text.encode())
        finally:
            if alone:  # else they may be what another is about to name
                _remove_unnamed(folder)


def _name_of_weights(config: dict[str, Any], digest: str) -> str:
    """The name by which a config and tensors of this digest belong together."""
    rest = {key: value for key, value in config.items() if key != "weights"}
    both = json.dumps(rest, sort_keys=True) + digest
    return f"model-{hashlib.blake2b(both.encode(), digest_size=8).hexdigest()}.safetensors"


def _remove_unnamed(folder: Path) -> None:
    """Remove weights of genus that config.json does not name: of the model before, of saves that failed or were killed."""
    config = folder / "config.json"
    named = config.read_bytes() if config.is_file() else b""
    for path in folder.glob("model-*.safetensors"):
        if _WEIGHTS.fullmatch(path.name) and path.name.encode() not in named:
            with contextlib.suppress(OSError):  # another user's: a courtesy that nothing depends on
                path.unlink()


def refuse_to_replace(folder: Path, model: Model) -> None:
    """Raise FileExistsError where a run of this model in the folder would replace another program's files, or a run of another
    model or of another kind of data. The same model may start again in its own folder."""
    mine = (name_of(type(model)), model.fitted_space)
    for path in (folder / "run.json", folder / "config.json"):  # what a run begins and ends with
        content = _ours(path)
        try:
            there = read_json(content, path)
            held = (name_of(find_model(there["model"])), space_from(there["space"]) if "space" in there else mine[1])
        except Exception:  # none, or a damaged one
            continue
        if held[0] != mine[0] or _kind(held[1]) != _kind(mine[1]):
            raise FileExistsError(
                f"run={str(folder)!r} holds a {held[0]} of {held[1]!r}, which this {mine[0]} of {mine[1]!r} would replace; "
                "pass another folder"
            )


def _kind(space: Space) -> tuple[Any, ...]:
    """What must be the same for data to be of one kind; what was seen of them, such as an alphabet, need not."""
    item = getattr(space, "item", None)
    columns = [column.name for column in space.columns] if isinstance(space, Table) else []
    return type(space), space.shape, columns, None if item is None else _kind(item)


def _ours(path: Path) -> bytes:
    """What a file of genus holds, nothing where there is none. Raises FileExistsError for one that is another program's."""
    content = path.read_bytes() if path.is_file() else b""
    if content.strip() and b'"hyper_parameters"' not in content:
        raise FileExistsError(f"{path}: is another program's, and genus would replace it; choose another folder")
    return content


def load_model(folder: str | Path) -> Model:
    """The fitted model of a folder. Raises FileNotFoundError if there is none, ValueError if it is not sound, TypeError or
    ValueError if `folder` is no path."""
    folder = folder_of(folder, "folder")
    path = folder / "config.json"
    if not path.is_file():
        there = (
            "it holds checkpoints of an unfinished run: go on with resume"
            if (folder / "checkpoints").is_dir()
            else "fit one with run=, or save one"
        )
        raise FileNotFoundError(f"{folder}: holds no model (no config.json); {there}")
    while True:
        config = _read_config(path)
        try:
            return _loaded(folder, config)
        except FileNotFoundError:
            if _read_config(path) == config:  # else another model was saved there just now
                raise


def _loaded(folder: Path, config: dict[str, Any]) -> Model:
    path, weights = folder / "config.json", folder / config["weights"]
    if not weights.is_file():
        raise FileNotFoundError(f"{weights}: the weights that config.json names are missing")
    with open(weights, "rb") as file:
        digest, shapes = read_header(file, weights)
    if weights.name != _name_of_weights(config, digest):
        raise DamagedFile(
            f"{path}: is not what was saved with {weights.name}: one of them was edited, exchanged or damaged; "
            "undo that, or save the model anew"
        )
    try:
        model, space = _model_of(config)
        _resize(model, shapes)
    except Exception as error:  # whatever a stranger's values do
        raise ValueError(f"{path}: describes no model: {_cut(str(error) or type(error).__name__)}") from error
    _compare(model, shapes, weights)
    tensors, _ = read_tensors(weights)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.space, model.fitted_params = space, model.get_params()
    if (flaw := model.flaw()) is not None:
        raise ValueError(f"{weights}: {flaw}; the file is damaged")
    return model.eval()


def _model_of(config: dict[str, Any]) -> tuple[Model, Space]:
    """The model of a config, built without memory and without numbers."""
    model = find_model(config["model"])(**config["hyper_parameters"])
    space = space_from(config["space"])
    model.given_space = None if config["given_space"] is None else space_from(config["given_space"])
    if model.given_space is not None and not isinstance(model, Conditional):
        raise ValueError(f"given_space is set, but {config['model']} does not learn with given")
    if (reason := model.refuses(space)) is not None:
        raise ValueError(f"{config['model']} cannot stand on this space: {reason}")
    build_on_meta(model, space)
    return model, space


def sketch_of(model: Model) -> Model:
    """A model as this one is before it learns, without memory."""
    sketch = type(model)(**model.get_params())
    sketch.given_space = model.given_space
    build_on_meta(sketch, model.fitted_space)
    return sketch


def build_on_meta(model: Model, space: Space) -> None:
    """Build a model without memory: shapes and types of its tensors, no numbers."""
    with torch.device("meta"), _NoStart():
        model.build(space)


class _NoStart(TorchFunctionMode):
    """Leaves random starts out: on the meta device they are nothing, and working that out wakes the compiler (a second)."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.normal_, torch.Tensor.uniform_) or getattr(function, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))


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
        raise ValueError(f"{path}: the tensor {shown(min(missing))} is missing")
    if unknown := shapes.keys() - expected.keys():
        raise ValueError(f"{path}: the tensor {shown(min(unknown))} belongs to no part of this model")
    for name, shape in expected.items():
        if shapes[name][0] != shape:
            raise ValueError(f"{path}: the tensor {name!r} has shape {shown(shapes[name][0])}, but config.json asks for {shape}")
        if shapes[name][1] not in (DTYPES[kind] for kind in _kinds(model, name, built[name])):
            raise ValueError(
                f"{path}: the tensor {name!r} is of {shown(shapes[name][1])}, numbers of another kind than the model's"
            )


def _read_config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_CONFIG:
        raise ValueError(f"{path}: is {path.stat().st_size / 2**20:.0f} MB, too large for a config")
    config = read_json(path.read_bytes(), path)
    if not isinstance(config, dict) or not {"format", "weights"} <= set(config):
        raise ValueError(f"{path}: is no config of a genus model")
    if (form := config["format"]) != FORMAT or type(form) is not int:
        raise ValueError(f"{path}: is of format {shown(form)}, but this genus reads {FORMAT}; load it with the genus that saved it")
    if odd := sorted(_KEYS ^ set(config)):
        raise ValueError(f"{path}: {shown(odd[0])} is missing or unknown")
    weights = config["weights"]
    if not isinstance(weights, str) or not _WEIGHTS.fullmatch(weights):
        raise ValueError(f"{path}: weights={shown(weights)} must be the name that genus gave them, model-<16 digits>.safetensors")
    if not isinstance(config["hyper_parameters"], dict) or not isinstance(config["model"], str):
        raise ValueError(f"{path}: model and hyper_parameters must be a name and an object")
    return config


def _cut(text: str) -> str:
    """One line of a bearable length, with the end, which says what to do."""
    text = " ".join(text.split())
    return text if len(text) <= 500 else f"{text[:300]} ... {text[-200:]}"
