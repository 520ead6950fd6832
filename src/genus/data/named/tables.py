"""Named tables: DataFrames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genus.data.named.registry import File, named
from genus.data.readers import Raw

RDATASETS = "https://vincentarelbundock.github.io/Rdatasets/csv"
ADBENCH_URL = "https://raw.githubusercontent.com/Minqi824/ADBench/main/adbench/datasets/Classical"
ADBENCH = {  # file: examples
    "2_annthyroid": 7200, "4_breastw": 683, "6_cardio": 1831, "7_Cardiotocography": 2114,
    "12_fault": 1941, "14_glass": 214, "15_Hepatitis": 80, "18_Ionosphere": 351, "19_landsat": 6435,
    "20_letter": 1600, "21_Lymphography": 148, "22_magic.gamma": 19020, "23_mammography": 11183,
    "25_musk": 3062, "26_optdigits": 5216, "27_PageBlocks": 5393, "28_pendigits": 6870,
    "29_Pima": 768, "31_satimage-2": 5803, "32_shuttle": 49097, "35_SpamBase": 4207,
    "37_Stamps": 340, "38_thyroid": 3772, "39_vertebral": 240, "40_vowels": 1456,
    "41_Waveform": 3443, "42_WBC": 223, "43_WDBC": 367, "44_Wilt": 4819, "45_wine": 129,
    "46_WPBC": 198, "47_yeast": 1484,
}  # fmt: skip


@named(
    "adult",
    "the US census of 1994: who earns more than 50,000 dollars? mixed columns, missing values",
    kind="tables",
    space="Table(15 columns)",
    sizes=(32561, 0, 16281),
    source="https://archive.ics.uci.edu/dataset/2/adult",
    licence="CC BY 4.0",
    files=((File("adult/adult.parquet"),), (File("adult/adult.data"), File("adult/adult.test"))),
)
def adult(files: dict[str, Path]) -> Raw:
    frame = _adult_parquet(files["adult.parquet"]) if "adult.parquet" in files else _adult_uci(files)
    train = frame["split"] == "train"
    frame = frame.drop(columns="split")
    return Raw(frame[train].reset_index(drop=True), None, frame[~train].reset_index(drop=True))


@named(
    "california_housing",
    "20,640 districts of California in 1990, what their houses cost; missing values",
    kind="tables",
    space="Table(10 columns)",
    sizes=(20640, 0, 0),
    source="https://github.com/ageron/data",
    licence="public census data",
    files=(
        (File("california_housing/housing.parquet"),),
        (
            File(
                "california_housing/housing.csv",
                "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.csv",
            ),
        ),
    ),
)
def california_housing(files: dict[str, Path]) -> Raw:
    import pandas as pd

    return Raw(pd.read_parquet(files["housing.parquet"]) if "housing.parquet" in files else pd.read_csv(files["housing.csv"]))


@named(
    "wine_quality",
    "6,497 Portuguese wines, red and white: eleven measurements and how they tasted",
    kind="tables",
    space="Table(13 columns)",
    sizes=(6497, 0, 0),
    source="https://archive.ics.uci.edu/dataset/186/wine+quality",
    licence="CC BY 4.0",
    files=(
        (File("wine_quality/wine_quality.csv"),),
        (File("wine_quality/winequality-red.csv"), File("wine_quality/winequality-white.csv")),
    ),
)
def wine_quality(files: dict[str, Path]) -> Raw:
    import pandas as pd

    if "wine_quality.csv" in files:
        return Raw(pd.read_csv(files["wine_quality.csv"]))
    frames = [pd.read_csv(files[f"winequality-{color}.csv"], sep=";").assign(color=color) for color in ("red", "white")]
    return Raw(pd.concat(frames, ignore_index=True).rename(columns=lambda name: name.replace(" ", "_")))


@named(
    "faithful",
    "272 eruptions of the geyser Old Faithful and the waits before them",
    kind="tables",
    space="Table(2 columns)",
    sizes=(272, 0, 0),
    source=f"{RDATASETS}/datasets/faithful.csv",
    licence="facts",
    files=((File("time_series/faithful.csv", f"{RDATASETS}/datasets/faithful.csv"),),),
)
def faithful(files: dict[str, Path]) -> Raw:
    import pandas as pd

    return Raw(pd.read_csv(files["faithful.csv"])[["eruptions", "waiting"]])


def _register_adbench(file: str, n: int) -> None:
    name = file.partition("_")[2]

    @named(
        f"adbench/{name.lower()}",
        f"{name}, with its outliers labelled (ADBench, Han et al. 2022)",
        kind="tables",
        space="Reals",
        sizes=(n, 0, 0),
        source="https://github.com/Minqi824/ADBench",
        licence="BSD-2-Clause; the sets CC BY 4.0",
        files=((File(f"adbench_outliers/{file}.npz", f"{ADBENCH_URL}/{file}.npz"),),),
    )
    def load(files: dict[str, Path]) -> Raw:
        archive = np.load(files[f"{file}.npz"], allow_pickle=False)
        labels = archive["y"].astype(np.int64)
        return Raw(archive["X"].astype(np.float32), labels=(labels, None, None), classes=("normal", "outlier"))


for _file, _n in ADBENCH.items():
    _register_adbench(_file, _n)


# -- parts -------------------------------------------------------------------------------------------------------

ADULT_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
)  # fmt: skip


def _adult_parquet(path: Path):  # type: ignore[no-untyped-def]
    import pandas as pd

    return pd.read_parquet(path)


def _adult_uci(files: dict[str, Path]):  # type: ignore[no-untyped-def]
    """The original files: "?" is a missing value, the test part opens with a comment and ends its labels with a dot."""
    import pandas as pd

    parts = []
    for part, name in (("train", "adult.data"), ("test", "adult.test")):
        frame = pd.read_csv(files[name], names=list(ADULT_COLUMNS), na_values="?", skipinitialspace=True, comment="|")
        frame["income"] = frame["income"].str.rstrip(".")
        parts.append(frame.assign(split=part))
    frame = pd.concat(parts, ignore_index=True)
    for column in frame.columns[frame.dtypes.map(lambda dtype: not pd.api.types.is_numeric_dtype(dtype))]:
        frame[column] = frame[column].astype("category")
    return frame
