"""What all tests share: hypothesis without deadlines (the machine is shared), and with the same examples each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or leaves machine code in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_TRACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
