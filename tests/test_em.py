"""What every model that learns by EM promises: what it climbs never falls."""

from __future__ import annotations

import numpy as np
import pytest
import zoo

from genus.learning import LearnsByEM


def hills():
    """Every model on every small material, without `support`, which is no prior; and with a prior that weighs as much as data."""
    for case in zoo.all_cases():
        if issubclass(case.cls, LearnsByEM) and case.material not in ("digits", "colours"):
            fields = zoo.small(case.cls).get_params()
            plain = {name: 0.0 for name in ("support", "smoothing") if name in fields}
            yield pytest.param(case, plain, id=str(case))
            if "smoothing" in fields and str(case) != "mixture-reals":  # where it is the `support`
                yield pytest.param(case, plain | {"smoothing": 5.0}, id=f"{case}-prior")


@pytest.mark.parametrize(("case", "options"), list(hills()))
def test_em_never_falls(case, options, monkeypatch):
    seen = zoo.objectives(case.cls, monkeypatch)
    data = zoo.as_examples(case.cls, case.material)
    zoo.quickly(zoo.small(case.cls, **options, max_iter=25, tol=0.0), data, precision="float64")
    assert np.diff(seen).min(initial=0) > -1e-7  # bits are in single precision
