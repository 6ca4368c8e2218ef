"""What all tests share: hypothesis without deadlines (the machine is shared), and with the same examples each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .support.postgres import postgres, programs

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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The beginning of the URLs of a PostgreSQL server."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with postgres(folder) as url:
        yield url
