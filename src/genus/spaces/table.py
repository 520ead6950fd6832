"""Table: rows of named columns, each continuous, integer, categorical or boolean; missing values stay missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from genus.fields import perhaps
from genus.spaces.arrays import ends_of, refuse_infinity, refuse_rowless, scalar
from genus.spaces.space import Space, Standardisation, no_spread
from genus.warn import warn

Kind = Literal["continuous", "integer", "categorical", "boolean"]
MOST_CATEGORIES = 1000
SUSPICIOUS = 30  # rows: so many strings that are all different are no categories
MOST_DATES = 12  # strings that may be categories though all of them are dates, such as the months of a year
HOLDS_DATES = "holds dates; pass numbers instead, such as days since a start"


@dataclass(frozen=True)
class Column:
    """One column: its kind, the dtype of its raw values, and what was seen of them."""

    name: str | int
    kind: Kind
    dtype: str  # pandas' name of the raw dtype
    categories: tuple[Any, ...] = ()
    ordered: bool = False  # an ordered pandas categorical
    missing: bool = False  # whether any value was missing
    low: float = -float("inf")
    high: float = float("inf")
    location: float = 0.0
    scale: float = 1.0

    @property
    def numeric(self) -> bool:
        return self.kind in ("continuous", "integer")

    @property
    def n_values(self) -> int:
        """Categories of a discrete column; a boolean has two."""
        return 2 if self.kind == "boolean" else len(self.categories)

    @property
    def width(self) -> int:
        """Numbers this column is to a network."""
        return (1 if self.kind != "categorical" else len(self.categories)) + self.missing


class Table(Space):
    """Rows of a DataFrame as float64 (n, columns): values, category codes, NaN where one is missing.

    `form` is the kind of raw data: "frame" (DataFrame), or "values" (a plain list or 1-d array: one column).
    """

    heads = ("columns",)

    def __init__(self, columns: Sequence[Column | dict[str, Any]], form: str = "frame") -> None:
        self.columns = tuple(c if isinstance(c, Column) else _column(c) for c in columns)
        names = [c.name for c in self.columns]
        if not names or len(set(names)) != len(names):
            raise ValueError("Table: needs at least one column, and every name once")
        if form not in ("frame", "values"):
            raise ValueError(f"Table: form={form!r} is not known: choose 'frame' or 'values'")
        self.form = form
        self.shape = (len(self.columns),)
        self.discrete = all(c.kind != "continuous" for c in self.columns)

    # -- raw data ------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, frame: Any, kinds: dict[Any, Kind] | None = None) -> Table:
        """The table of a DataFrame; `kinds` overrules what is inferred for the named columns."""
        kinds = kinds or {}
        unknown = [name for name in kinds if name not in frame.columns]
        if unknown:
            raise ValueError(f"kinds: no column is called {unknown[0]!r}{perhaps(unknown[0], frame.columns)}")
        if frame.columns.has_duplicates:
            double = frame.columns[frame.columns.duplicated()][0]
            raise ValueError(f"data: two columns are called {double!r}; rename one")
        return cls([_infer_column(frame[name], kinds.get(name)) for name in frame.columns])

    @classmethod
    def of_values(cls, values: Any) -> Table:
        """A table of one column for a plain list or 1-d array of labels or numbers."""
        import pandas as pd

        series = _series(values).rename("value")
        whole = pd.api.types.is_integer_dtype(series.dtype) and series.nunique() <= MOST_CATEGORIES
        return cls([_infer_column(series, "categorical" if whole else None)], form="values")

    def encode(self, raw: Any) -> Tensor:
        import pandas as pd

        if self.form == "frame" and isinstance(raw, Tensor) and raw.dim() == 2 and raw.shape[1] == len(self.columns):
            return self._refuse_codes(raw.double())  # encoded points are taken as they are
        if self.form == "values" and not isinstance(raw, pd.DataFrame):
            frame = pd.DataFrame({self.columns[0].name: _series(raw)})
        elif isinstance(raw, pd.DataFrame):
            frame = raw
        elif isinstance(raw, pd.Series) and [raw.name] == [column.name for column in self.columns]:
            frame = raw.to_frame()
        elif isinstance(raw, pd.Series):
            raise TypeError("data: is a Series, one row or column of a table; pass a DataFrame, such as frame.iloc[[0]]")
        else:
            frame = pd.DataFrame(_plain(raw))
            if list(frame.columns) == list(range(len(self.columns))):  # a bare array: columns by position
                frame.columns = pd.Index([c.name for c in self.columns])
            elif isinstance(frame.columns, pd.RangeIndex):
                raise ValueError(
                    f"data: has {frame.shape[1]} columns, but this table has {len(self.columns)}; pass them all, in rows"
                )
        for column in self.columns:
            if column.name not in frame.columns:
                raise ValueError(f"data: the column {column.name!r} is missing{perhaps(column.name, frame.columns)}")
        return torch.from_numpy(np.stack([_encode_column(c, frame[c.name]) for c in self.columns], axis=1))

    def _refuse_codes(self, x: Tensor) -> Tensor:
        """Encoded points (n, columns). Raises ValueError for infinity, and for numbers that no value of a column has."""
        refuse_infinity(x, "data")
        for i, column in enumerate(self.columns):
            codes = x[:, i]
            odd = (codes != codes.floor()) & ~codes.isnan()
            if not column.numeric:
                odd |= (codes < 0) | (codes >= column.n_values)
            if column.kind != "continuous" and bool(odd.any()):
                values = "whole numbers" if column.numeric else f"numbered 0 to {column.n_values - 1}"
                raise ValueError(f"data: the column {column.name!r} holds {float(codes[odd][0]):g}, but its values are {values}")
        return x

    def decode(self, x: Tensor) -> Any:
        import pandas as pd

        table = x.detach().cpu().double().numpy()
        series = {c.name: _decode_column(c, table[:, i]) for i, c in enumerate(self.columns)}
        if self.form == "values":
            return series[self.columns[0].name].tolist()
        return pd.DataFrame(series)

    @property
    def encoded_dtype(self) -> torch.dtype:
        return torch.float64

    # -- networks ------------------------------------------------------------------------------------------------

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return (sum(c.width for c in self.columns),)

    def features(self, x: Tensor) -> Tensor:
        """Standardised numbers, one-hot categories, +-1 for booleans; 0 where missing, with an indicator beside it."""
        parts: list[Tensor] = []
        for i, column in enumerate(self.columns):
            value = x[:, i]
            absent = torch.isnan(value)
            value = torch.where(absent, 0.0, value)
            if column.kind == "categorical":
                part = torch.nn.functional.one_hot(value.long(), len(column.categories)).to(x.dtype)
            elif column.kind == "boolean":
                part = (2 * value - 1)[:, None]
            else:
                middle = value + 0.5 if column.kind == "integer" else value  # of x + u, u ~ U[0, 1)
                part = ((middle - column.location) / (column.scale or 1.0))[:, None]
            parts.append(torch.where(absent[:, None], 0.0, part))
            if column.missing:
                parts.append(absent[:, None].to(x.dtype))
        return torch.cat(parts, dim=1).float()

    # -- densities -----------------------------------------------------------------------------------------------

    @property
    def continuous(self) -> bool:
        return all(c.numeric for c in self.columns)

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        location = [c.location for c in self.columns]
        scale = [c.scale or 1.0 for c in self.columns]
        return torch.tensor(location, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)

    @property
    def integer_coordinates(self) -> Tensor:
        return torch.tensor([c.kind == "integer" for c in self.columns])

    def from_standardised(self, z: Tensor) -> Tensor:
        location, scale = (t.to(z.device) for t in self.location_scale)
        real = z * scale + location  # float64: far from 0 a network's float32 would round its draws to a few values
        for i, column in enumerate(self.columns):
            if column.kind == "integer":
                real[:, i] = real[:, i].floor().clamp(column.low, column.high)
        return real

    def fit(self, batches: Iterable[Any]) -> Table:
        moments = Standardisation([column.name for column in self.columns])
        for x in batches:
            moments.update(x)
        fitted = []
        for column, location, scale in zip(self.columns, *moments.location_scale(), strict=True):
            if column.kind == "integer":  # x + u, u ~ U[0, 1)
                location, scale = location + 0.5, (scale**2 + 1 / 12) ** 0.5
            fitted.append(replace(column, location=location, scale=scale) if column.numeric else column)
        return Table(fitted, self.form)

    def complaint(self) -> str | None:
        for column in self.columns:
            if column.kind == "continuous" and column.scale == 0:
                return f"the column {column.name!r} {no_spread(f'{column.location:g}')}"
        return None

    def position(self, name: Any) -> int:
        """The index of a column by name; raises ValueError for a name that is none."""
        for i, column in enumerate(self.columns):
            if column.name == name:
                return i
        raise ValueError(f"no column is called {name!r}{perhaps(name, [c.name for c in self.columns])}")

    def encode_value(self, name: Any, value: Any) -> float:
        """One cell, by column name, as the number it is in x."""
        import pandas as pd

        column = self.columns[self.position(name)]
        cell = _encode_column(column, pd.Series([value]))
        _refuse_unheld(column, cell)
        return float(cell[0])

    def encodes_like(self, other: Space) -> bool:
        if not isinstance(other, Table):
            return False
        mine, theirs = ([(c.name, c.kind, c.categories) for c in table.columns] for table in (self, other))
        return mine == theirs

    def config(self) -> dict[str, Any]:
        return {"columns": [_column_config(c) for c in self.columns], "form": self.form}

    def __repr__(self) -> str:
        return f"Table({', '.join(f'{c.name}: {c.kind}' for c in self.columns)})"


def _plain(values: Any) -> Any:
    refuse_rowless(values, "data")
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _series(values: Any) -> Any:
    """Plain values, or an array (n, 1) of them, as a Series."""
    import pandas as pd

    values = _plain(values)
    return pd.Series(values.reshape(-1) if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1 else values)


def _infer_column(series: Any, kind: Kind | None) -> Column:
    import pandas as pd

    name, dtype, present = scalar(series.name), str(series.dtype), series.dropna()
    if not isinstance(name, str | int):
        raise TypeError(f"data: the column {name!r} must be named by a string or a whole number; rename it")
    _refuse_half_characters(name, str(name))
    missing = len(present) < len(series)
    if not len(present):
        raise ValueError(f"data: the column {name!r} has no values at all; drop it")
    if pd.api.types.is_datetime64_any_dtype(series.dtype) or pd.api.types.is_timedelta64_dtype(series.dtype):
        raise TypeError(f"data: the column {name!r} {HOLDS_DATES}")
    if pd.api.types.is_complex_dtype(series.dtype):
        raise TypeError(f"data: the column {name!r} holds complex numbers; pass their real and imaginary parts, as two columns")
    try:
        pd.api.types.pandas_dtype(dtype)  # as a file of the model names it
    except (TypeError, NotImplementedError) as error:
        raise TypeError(
            f"data: the column {name!r} is of dtype {dtype}; convert it, as with .astype(float) or .astype(str)"
        ) from error
    categorical = isinstance(series.dtype, pd.CategoricalDtype)
    boolean = pd.api.types.is_bool_dtype(series.dtype) and not categorical
    numeric = pd.api.types.is_numeric_dtype(series.dtype) and not boolean
    inferred = kind is None
    if kind is None:
        if boolean:
            kind = "boolean"
        elif numeric:
            values = present.to_numpy(dtype=np.float64)
            exact = np.abs(values).max() < 2**53 or pd.api.types.is_integer_dtype(series.dtype)
            kind = "integer" if exact and (values == np.floor(values)).all() else "continuous"
        else:
            kind = "categorical"
    if kind in ("continuous", "integer"):
        if not numeric:
            raise TypeError(f"data: the column {name!r} is {kind} but holds {dtype} values; convert it to numbers")
        values = present.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"data: the column {name!r} holds infinity; write NaN if the value is missing")
        if kind == "integer" and (values != np.floor(values)).any():
            raise ValueError(f"data: the column {name!r} holds fractions, so it is no integer column")
        if kind == "integer" and np.abs(values).max() >= 2**53:
            raise ValueError(f"data: the column {name!r} holds whole numbers beyond 2**53; make it a string or drop it")
        return Column(name, kind, dtype, missing=missing, low=float(values.min()), high=float(values.max()))
    if kind == "boolean":
        return Column(name, "boolean", dtype, missing=missing, low=0.0, high=1.0)
    _, found = _different(present)
    categories = list(series.cat.categories) if categorical else sorted(found, key=lambda v: (str(type(v)), v))
    if inferred and not categorical and len(categories) > MOST_DATES and all(map(_is_date, categories)):
        raise TypeError(f"data: the column {name!r} {HOLDS_DATES}")
    if len(categories) > MOST_CATEGORIES:
        raise ValueError(
            f"data: the column {name!r} has {len(categories)} different values, more than {MOST_CATEGORIES} categories: "
            "drop it if it is an identifier; pass it alone as a list of strings if it is text"
        )
    items = tuple(_category(name, value) for value in categories)
    if not categorical and len(present) == len(categories) >= SUSPICIOUS:
        warn(
            f"the column {name!r} has another value in each of its {len(present)} rows, from which nothing is learned; drop it if it "
            "is an identifier or a date"
        )
    return Column(name, "categorical", dtype, items, categorical and bool(series.cat.ordered), missing)


def _category(name: Any, value: Any) -> str | int | float:
    """A value of a discrete column as Python's own. Raises TypeError or ValueError for one that a model's file could not hold."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, str):
        _refuse_half_characters(name, value)
    elif not isinstance(value, int | float):
        raise _no_category(name, value)
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"data: the column {name!r} holds whole numbers beyond 2**53; make it a string or drop it")
    elif value in (math.inf, -math.inf):
        raise ValueError(f"data: the column {name!r} holds infinity; write NaN if the value is missing")
    return value


def _no_category(name: Any, value: Any) -> TypeError:
    holds = HOLDS_DATES if isinstance(value, date) else f"holds {type(value).__name__} objects; convert them to strings or numbers"
    return TypeError(f"data: the column {name!r} {holds}")


def _refuse_half_characters(name: Any, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(
            f"data: the column {name!r} holds {half!r}, half of a surrogate pair, which is no character; mend it"
        ) from error


def _is_date(value: Any) -> bool:
    """Whether a value is a date as ISO 8601 writes it, 2026-11-21, with or without a time."""
    try:
        return isinstance(value, str) and value[4:8:3] == "--" and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _encode_column(column: Column, series: Any) -> np.ndarray:
    absent = series.isna().to_numpy()
    out = np.full(len(series), np.nan)
    present = series[~absent]
    if column.numeric or column.kind == "boolean":
        try:
            values = present.to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"data: the column {column.name!r} is {column.kind}, but holds {present.iloc[0]!r}") from error
        except OverflowError as error:  # of Python's whole numbers
            raise ValueError(f"data: the column {column.name!r} holds a number too large for float64; divide it") from error
        if not np.isfinite(values).all():
            raise ValueError(f"data: the column {column.name!r} holds infinity; write NaN if the value is missing")
        odd = ~np.isin(values, (0, 1)) if column.kind == "boolean" else values != np.floor(values)
        if column.kind != "continuous" and odd.any():
            raise ValueError(f"data: the column {column.name!r} is {column.kind}, but holds {values[odd][0]:g}")
        out[~absent] = values
        return out
    codes = {value: code for code, value in enumerate(column.categories)}
    places, found = _different(present)  # each value is looked up once
    of_found = np.array([codes.get(value, -1) for value in found], dtype=np.int64)
    if -1 in of_found:
        unknown = found[of_found.tolist().index(-1)]
        shown = ", ".join(map(repr, column.categories[:8])) + (", ..." if len(column.categories) > 8 else "")
        raise ValueError(
            f"data: the column {column.name!r} holds {unknown!r}, a category not seen in training (known: {shown})"
            f"{perhaps(unknown, column.categories)}"
        )
    out[~absent] = of_found[places]
    return out


def _different(present: Any) -> tuple[np.ndarray, list[Any]]:
    """The different values of a column, and the number of its own for each cell. Raises TypeError for what is no category."""
    try:
        places, found = present.factorize()
    except TypeError:  # lists and their like have no hash
        places, found = np.arange(len(present)), present
    values = found.tolist()
    odd = next((v for v in values if not isinstance(v, str | int | float | np.integer | np.floating | np.bool_)), None)
    if odd is not None:
        raise _no_category(scalar(present.name), odd)
    return places, values


def _refuse_unheld(column: Column, values: np.ndarray) -> None:
    """Raise ValueError for numbers that the raw dtype of their column does not hold: a cast would wrap them round."""
    import pandas as pd

    if not column.numeric:
        return
    raw = pd.Series([], dtype=column.dtype).to_numpy().dtype  # type: ignore[call-overload]
    if raw.kind not in "iuf" or np.can_cast(np.float64, raw):
        return
    least, most = ends_of(np.finfo(raw) if raw.kind == "f" else np.iinfo(raw))
    odd = (values < least) | (values > most)
    if odd.any():
        raise ValueError(
            f"data: the column {column.name!r} holds {values[odd][0]:g}, which is beyond {column.dtype}, its dtype in fitting; "
            "fit the model on data of a wider one"
        )


def _decode_column(column: Column, values: np.ndarray) -> Any:
    import pandas as pd

    _refuse_unheld(column, values)
    absent = np.isnan(values)
    if column.kind == "continuous" or (column.kind == "integer" and not absent.any()):
        filled = values
    elif column.kind == "integer":
        filled = pd.array(np.where(absent, 0, values).astype(np.int64), dtype="Int64")
        filled[absent] = pd.NA
    else:
        known = (False, True) if column.kind == "boolean" else column.categories
        filled = np.array([*known, None], dtype=object)[np.where(absent, len(known), values).astype(np.int64)]
    if column.dtype == "category":
        return pd.Categorical(filled, categories=list(column.categories), ordered=column.ordered)
    return pd.Series(filled).astype(column.dtype)  # type: ignore[call-overload]


def _column_config(column: Column) -> dict[str, Any]:
    config = asdict(column)
    config["categories"] = list(column.categories)
    for bound in ("low", "high"):  # JSON has no infinity
        config[bound] = config[bound] if np.isfinite(config[bound]) else None
    return config


def _column(config: dict[str, Any]) -> Column:
    unknown = set(config) - {f.name for f in fields(Column)}
    if unknown:
        raise ValueError(f"Table: a column has no {sorted(unknown)[0]!r}")
    config = {key: value for key, value in config.items() if value is not None}
    if not isinstance(config.get("categories", []), list | tuple):
        raise ValueError("Table: the categories of a column must be a list")
    column = Column(**{**config, "categories": tuple(config.get("categories", ()))})
    _check_column(column)
    return column


def _check_column(column: Column) -> None:
    """Raises ValueError or TypeError for a column that no data has: it comes from a stranger's file."""
    import pandas as pd

    pd.api.types.pandas_dtype(column.dtype)
    wrong = {
        "name": not isinstance(column.name, str | int),
        "kind": column.kind not in get_args(Kind),
        "dtype": not isinstance(column.dtype, str) or not column.dtype,
        "categories": len(set(column.categories)) != len(column.categories)
        or not all(isinstance(value, str) or (isinstance(value, int | float) and np.isfinite(value)) for value in column.categories)
        or (column.kind == "categorical") != bool(column.categories),
        "ordered": not isinstance(column.ordered, bool),
        "missing": not isinstance(column.missing, bool),
        "low": not (isinstance(column.low, float) and isinstance(column.high, float) and column.low <= column.high)
        or (column.kind == "integer" and not -(2.0**63) <= column.low <= column.high < 2.0**63),
        "location": not isinstance(column.location, float) or not np.isfinite(column.location),
        "scale": not isinstance(column.scale, float) or not 0 <= column.scale < np.inf,
    }
    if any(wrong.values()):
        bad = next(part for part, is_wrong in wrong.items() if is_wrong)
        raise ValueError(f"Table: {bad}={getattr(column, bad)!r} is none of a column")
