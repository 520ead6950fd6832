"""load_dataset: a named set, a file or a folder as a Dataset; datasets: what there is by name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genus.data.dataset import Dataset, Examples, check_split, examples_of
from genus.data.named import NAMED, Named
from genus.data.readers import Raw, read
from genus.fields import perhaps, shown
from genus.randomness import check_seed
from genus.spaces import Sequence, Space, Tokens, infer_space
from genus.spaces.tokenizers import tokenizer_of


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    given: Any = None,
    split: tuple[float, float, float] | None = None,
    seed: int = 0,
    space: Space | None = None,
    tokenizer: str = "characters",
    limit: int | None = None,
    series: bool = False,
    **options: Any,
) -> Dataset:
    """The data of a name (see `genus.datasets()`), a file or a folder, in parts train, valid and test.

    `given`: what each point is given: True for its labels, names of columns, the name of a condition that the set comes
    with, or one value an example. `split`: shares of train, valid and test (by `seed`), for data that come unsplit.
    `space`: what a point is, when the guess would be wrong. `tokenizer`: of texts, "characters", "bytes", "bpe" or
    "bpe:N". `limit`: only the first so many examples of each part (characters, of one long text; steps, of one series).
    `series`: the rows of the table or array are the steps of one series in time, to be split by position. Other options
    are those of the set or the reader. Raises ValueError, TypeError or FileNotFoundError, each with what to do.
    """
    seed = check_seed(seed)
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__") or limit < 1):
        raise ValueError(f"limit={limit!r} must be a whole number of examples, at least 1")
    source = _source(name_or_path)
    _check_words(source, tokenizer)
    if isinstance(source, Named):
        _check_options(source, options)
        raw = source.raw(seed=seed, limit=limit, tokenizer=tokenizer, **options)
        name = source.name
    else:
        raw, name = read(source, **options), source.name
    if raw.is_split and split is not None:
        raise ValueError(f"split={split}: {name} comes split into train, valid and test; leave split out")
    raw = _as_series(raw, name) if series else raw
    raw = _by_position(raw, split or raw.split) if raw.in_time else raw
    data = (
        _in_parts(raw, given, space, tokenizer, limit, name)
        if raw.is_split
        else _whole(raw, given, split, seed, space, tokenizer, limit, name)
    )
    data = replace(data, entropy=raw.entropy, sample_rate=raw.sample_rate)
    return data.with_labels_given() if given is True else data


def datasets() -> Any:
    """A DataFrame of the named sets: name, kind, space, examples, available ("yes", "download", "no"), description."""
    import pandas as pd

    rows = [
        {
            "name": entry.name,
            "kind": entry.kind,
            "space": entry.space,
            "examples": sum(entry.sizes) if entry.sizes else None,
            "available": entry.available,
            "description": entry.sentence,
            "licence": entry.licence,
            "source": entry.source,
        }
        for entry in sorted(NAMED.values(), key=lambda entry: (entry.kind, entry.name))
    ]
    return pd.DataFrame(rows).astype({"examples": "Int64"})


# -- parts -------------------------------------------------------------------------------------------------------


def _source(name_or_path: Any) -> Named | Path:
    if isinstance(name_or_path, str) and name_or_path in NAMED:
        return NAMED[name_or_path]
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"load_dataset: takes a name or a path, not {type(name_or_path).__name__}; pass data in memory to genus.Dataset.of"
        )
    path = Path(name_or_path).expanduser()
    if name_or_path != "" and (  # as a path it would be this folder
        path.exists()
        or isinstance(name_or_path, os.PathLike)
        or path.suffix
        or (len(path.parts) > 1 and not any(name.startswith(f"{path.parts[0]}/") for name in NAMED))
    ):
        return path
    raise ValueError(
        f"{name_or_path!r} is neither a data set nor a file{perhaps(name_or_path, NAMED)}; genus.datasets() lists the names"
    )


def _check_words(source: Named | Path, tokenizer: str) -> None:
    if tokenizer == "words" and not (isinstance(source, Named) and source.words):
        words = ", ".join(sorted(n.name for n in NAMED.values() if n.words))
        raise ValueError(
            f"tokenizer='words' is for texts that are already cut into words ({words}); choose 'characters', 'bytes' or 'bpe'"
        )


def _check_options(entry: Named, options: dict[str, Any]) -> None:
    for name in options:
        if name not in entry.options:
            takes = f"its own are {', '.join(entry.options)}" if entry.options else "it has none of its own"
            raise TypeError(f"{name}: is no option of {entry.name}; {takes}{perhaps(name, entry.options)}")


def _whole(
    raw: Raw, given: Any, split: Any, seed: int, space: Space | None, tokenizer: str, limit: int | None, name: str
) -> Dataset:
    """Data that nobody has split."""
    if given is not None and given is not True:
        given = _condition(raw, given, 0)
    data = Dataset.of(
        _first(raw.train, limit) if _single(raw.train) else raw.train,
        None if given is True else given,
        space=space or raw.space,
        labels=_codes(raw.labels[0]),
        classes=raw.classes,
        split=split or raw.split,
        seed=seed,
        tokenizer=tokenizer,
        name=name,
    )
    if limit is None or _single(raw.train):
        return data
    return replace(data, **{part: getattr(data, part)[:limit] for part in ("train", "valid", "test")})


def _in_parts(raw: Raw, given: Any, space: Space | None, tokenizer: str, limit: int | None, name: str) -> Dataset:
    """Data that somebody has split: the first part says what space and conditions all are in."""
    parts = [_first(part, limit) for part in (raw.train, raw.valid, raw.test)]
    space = space or raw.space or _text_space(parts, tokenizer)
    examples: list[Examples] = []
    for index, part in enumerate(parts):
        if part is None:
            examples.append(examples[0][0:0])
            continue
        condition = None if given is None or given is True else _first(_condition(raw, given, index), limit)
        labels = _codes(raw.labels[index])
        first = examples[0] if examples else None
        examples.append(
            examples_of(
                part,
                condition,
                space=first.space if first else space,
                given_space=first.given_space if first else None,
                labels=None if labels is None else labels[: len(part)],
                tokenizer=tokenizer,
            )
        )
    train, valid, test = examples
    return Dataset(train, valid, test, name, raw.classes)


def _condition(raw: Raw, given: Any, part: int) -> Any:
    """What `given` means: a condition that comes with the set, columns of one, columns of the data, or the values."""
    names = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
    if not names or not all(isinstance(name, str) for name in names):
        if raw.is_split:
            raise ValueError(
                f"given: {type(given).__name__} values do not fit data that come in parts; pass names, or True for labels"
            )
        return given
    if len(names) == 1 and names[0] in raw.conditions:
        return raw.conditions[names[0]][part]
    for parts in raw.conditions.values():
        if type(parts[part]).__name__ == "DataFrame" and set(names) <= set(parts[part].columns):
            return parts[part][list(names)]
    if type(raw.train).__name__ == "DataFrame":
        return given
    if len(names) == len(raw.train) and not isinstance(given, str):
        return given
    known = [
        *raw.conditions,
        *(c for parts in raw.conditions.values() if hasattr(parts[0], "columns") for c in parts[0].columns),
    ]
    has = f"has {', '.join(known[:6])}{', ...' if len(known) > 6 else ''}" if known else "has no columns or conditions to name"
    labels = "; pass given=True for its labels" if raw.labels[0] is not None else ""
    raise ValueError(f"given={shown(given)}: this data {has}{perhaps(names[0], known)}{labels}")


def _text_space(parts: list[Any], tokenizer: str) -> Space | None:
    """The Tokens of texts in parts: an alphabet of all parts (a test may hold one more), merges of train alone."""
    if not isinstance(parts[0], list) or not parts[0] or not isinstance(parts[0][0], str):
        return None
    texts = [text for part in (parts if tokenizer == "characters" else parts[:1]) if part for text in part]
    return Tokens(ends=not _single(parts[0]), tokenizer=tokenizer_of(texts, tokenizer))


def _as_series(raw: Raw, name: str) -> Raw:
    """The rows of a table or array as the steps of one series; those of a single column of numbers as numbers."""
    rows = raw.train
    if raw.is_split or not hasattr(rows, "ndim"):
        raise ValueError(f"series: {name} is no table or array whose rows could be the steps of one series; leave it out")
    if rows.ndim == 2 and rows.shape[1] == 1 and np.asarray(rows).dtype.kind in "fiub":
        rows = np.asarray(rows)[:, 0]
    return Raw([rows], space=infer_space([rows], (Sequence,)), in_time=True)


def _by_position(raw: Raw, split: tuple[float, float, float]) -> Raw:
    """One sequence, cut in time: what comes later is held out."""
    check_split(split)
    (sequence,) = raw.train
    first, second = (round(len(sequence) * share) for share in (split[0], split[0] + split[1]))
    train, valid, test = ([part] if len(part) else None for part in (sequence[:first], sequence[first:second], sequence[second:]))
    if train is None:
        raise ValueError(f"split={split}: leaves nothing of {len(sequence)} steps to train on")
    return replace(raw, train=train, valid=valid, test=test, split=(1.0, 0.0, 0.0))


def _first(part: Any, limit: int | None) -> Any:
    """The first `limit` examples; of one text or series alone, its first `limit` items."""
    if part is None or limit is None:
        return part
    return [part[0][:limit]] if _single(part) else part[:limit]


def _single(data: Any) -> bool:
    return isinstance(data, list) and len(data) == 1


def _codes(labels: Any) -> torch.Tensor | None:
    """Labels as a tensor, whole numbers as int64."""
    if labels is None:
        return None
    labels = np.asarray(labels)
    return torch.from_numpy(labels.astype(np.float32 if labels.dtype.kind == "f" else np.int64))
