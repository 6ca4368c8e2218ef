"""What all tests share: their tiers, hypothesis without deadlines (the machine is shared), a cache of machine code."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from . import ROOT
from .support import corpora
from .support.postgres import postgres, programs
from .support.serving import Server, serving
from .support.tiers import ALL, FEW, VARIABLE, spread

#: Hypothesis tries the same examples each time.
COMMON = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", COMMON, max_examples=FEW)
settings.register_profile("all", COMMON)
settings.load_profile("all" if ALL else "fast")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "few(n, slow=m): n of the cases, at equal distances, in the fast tests, m in all"
    )
    if ALL:
        config.addinivalue_line("python_files", "slow_*.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without this the fast tests would import the slow files for the examples in their docstrings."""
    named = any(Path(argument.partition("::")[0]).name == collection_path.name for argument in config.args)
    return True if collection_path.name.startswith("slow_") and not ALL and not named else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collection makes lives to the end: the garbage collector need not visit it.

    Later it comes less often. It does not freeze what is there: of frozen objects `gc.get_referrers` knows nothing, by
    which hypothesis 6.100 sees that numpy's generator has an owner.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.set_threshold(20_000, 10, 10)  # rarer, compiled code that nobody uses fills the process's 65,530 mappings
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Garbage is collected once: pytest and Python do so at their end too, and would visit everything each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """One worker has all tests of the shared server, so that it is started once."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "the shared server" if asks_the_server(file) else file

    return Scheduling(config, log)


@cache
def asks_the_server(file: str) -> bool:
    return "shared_server" in ROOT.joinpath(file).read_text("utf-8")


def is_named(item: pytest.Item) -> bool:
    """Whether a test is on the command line itself, with or without its case; files and folders name none.

    To `tests.mutants`, which asks for the `fast` tests by their names, none is.
    """
    if os.environ.get(VARIABLE) == "fast":
        return False
    own = item.nodeid.partition("::")[2]
    for argument in item.config.args:
        path, _, name = argument.partition("::")
        if name in (own, own.partition("[")[0]) and item.config.invocation_params.dir.joinpath(path) == item.path:
            return True
    return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the fast tests no property is tried more often than `FEW` times, and a test marked few(n) has n cases.

    A test marked few(slow=n) has n cases in the slow ones.

    A test that is named on the command line itself has all its cases.
    """
    cases: dict[tuple[object, int], list[pytest.Item]] = {}
    for item in items:
        test = getattr(item, "obj", None)
        asked = getattr(test, "_hypothesis_internal_use_settings", None)
        if asked is not None and asked.max_examples > FEW and not ALL:
            test._hypothesis_internal_use_settings = settings(asked, max_examples=FEW)  # type: ignore[union-attr]
        marker = item.get_closest_marker("few")
        count = None if marker is None else marker.kwargs.get("slow") if ALL else next(iter(marker.args), None)
        if count is not None and not is_named(item):
            cases.setdefault((test, count), []).append(item)
    every = {id(item) for same in cases.values() for item in same}
    left_out = every - {id(item) for (_, count), same in cases.items() for item in spread(same, count)}
    config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
    items[:] = [item for item in items if id(item) not in left_out]


@pytest.fixture(autouse=True, scope="session")
def own_cache() -> Iterator[None]:
    """No test reads or leaves machine code in the user's cache; what one run compiled the next one finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_TRACE_CACHE", str(ROOT / "build" / "machine-code"))
        yield


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with one process that computes, and its folder: for all tests that do not mind what others put there."""
    folder = tmp_path_factory.mktemp("shared")
    states = (part for path in corpora.folders(folder) for part in ("--states", path))
    with serving(folder, "--seconds", "12.5", "--at-once", "1", *states) as server:
        yield server, folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The beginning of the URLs of a PostgreSQL server."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with postgres(folder) as url:
        yield url
