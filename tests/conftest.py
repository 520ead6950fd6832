"""Fixtures: each small model is trained once a session on each material; one thread, so that bits can be compared."""

from __future__ import annotations

import pytest
import torch
import zoo


def pytest_configure() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fitted():
    """fitted(case): the model of a case, trained once. Tests must leave it as they found it."""
    trained: dict[zoo.Case, object] = {}

    def of(case: zoo.Case):
        if case not in trained:
            trained[case] = case.fit()
        return trained[case]

    return of
