"""Workers: what they return and raise, how many there are, and that what is stopped is really gone."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lstm_trace.errors import LstmTraceError, MissingError, ShapeError, TooLargeError

from ..support import worker_calls as calls

anyio = pytest.importorskip("anyio")

from lstm_trace.workers import Workers, pool, tell  # noqa: E402
from lstm_trace.workers.process import BusyError, DiedError, TooLongError  # noqa: E402


def with_workers(test: Callable[[Workers], Awaitable[Any]], **limits: Any) -> Any:
    async def run() -> Any:
        async with Workers(**limits) as workers:
            await workers.until_warm()
            return await test(workers)

    return anyio.run(run)


def gone(pid: int) -> bool:
    """Whether the process has ended, waited for a moment."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (OSError, IndexError):
            return True
        time.sleep(0.02)
    return False


def read_pid(note: Path) -> int:
    for _ in range(200):
        if note.exists() and note.read_text():
            return int(note.read_text())
        time.sleep(0.02)
    raise AssertionError("the computation has not begun")


def test_a_process_whose_server_has_gone_before_it_is_ready_is_quiet() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    code = "from lstm_trace.workers.process import main; main(1 << 40, '', '')"
    inbox, open_end = os.pipe()  # at whose end the process would end before
    found = subprocess.run([sys.executable, "-c", code], stdin=inbox, stdout=writes, stderr=subprocess.PIPE)  # noqa: S603
    for end in (writes, inbox, open_end):
        os.close(end)
    assert (found.returncode, found.stderr) == (0, b"")


def test_values_come_back_and_a_process_is_used_again() -> None:
    async def test(workers: Workers) -> None:
        assert await workers.call(calls.double, [1.5, "a"]) == [1.5, "a", 1.5, "a"]
        content = os.urandom(20_000_000)
        assert await workers.call(calls.double, content) == content * 2
        assert len({await workers.call(calls.pid) for _ in range(5)}) == 1
        assert os.getpid() != await workers.call(calls.pid)

    with_workers(test)


def test_errors_of_ours_arrive_as_they_are() -> None:
    async def test(workers: Workers) -> None:
        with pytest.raises(ShapeError) as found:
            await workers.call(calls.wrong)
        assert type(found.value) is ShapeError
        assert found.value.problems == ("the first problem", "the second, line 1\n  line 2")
        assert str(found.value) == "the first problem\nthe second, line 1\n  line 2"
        assert not hasattr(found.value, "__notes__")
        with pytest.raises(MissingError):
            await workers.call(calls.missing)

    with_workers(test, at_once=1)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("value", ValueError, "no number"),
        ("two parts", RuntimeError, "TwoPartError: fault at place"),
        ("exit", RuntimeError, "SystemExit: 3"),
        ("interrupt", RuntimeError, "KeyboardInterrupt"),
        ("unpicklable", TypeError, "cannot pickle"),
        ("memory", TooLargeError, "not enough memory; ask for less$"),
        ("die", DiedError, "ended without an answer, most often because memory ran out; ask for less$"),
        ("cut file", DiedError, "ended without an answer, since a file became shorter while it was read"),
    ],
)
def test_whatever_a_call_does_the_next_one_is_answered(kind: str, error: type[BaseException], says: str) -> None:
    async def test(workers: Workers) -> None:
        with pytest.raises(error, match=says) as found:
            await workers.call(calls.fault, kind)
        if kind in ("value", "two parts"):
            assert "in fault" in "".join(found.value.__notes__)  # the traceback in the worker, for the log
        for _ in range(2):
            assert await workers.call(calls.double, 4) == 8

    with_workers(test, at_once=1, smaller="ask for less")


def test_what_is_printed_within_a_call_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    async def test(workers: Workers) -> None:
        assert await workers.call(calls.fault, "print") == ""
        assert await workers.call(calls.double, 4) == 8

    with_workers(test, at_once=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert "and by the system" in err


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("advice", "said"),
    [
        ({}, ""),
        ({"smaller": "ask for less"}, "; ask for less"),
        ({"smaller": "ask for less", "way": "wait for longer"}, "; ask for less, or wait for longer"),
    ],
)
def test_a_computation_that_takes_too_long_is_killed(tmp_path: Path, advice: dict[str, str], said: str) -> None:
    async def test(workers: Workers) -> None:
        began = time.monotonic()
        with pytest.raises(TooLongError, match=rf"took more than 0\.4 s and was stopped{said}$"):
            await workers.call(calls.spin, str(tmp_path / "pid"))
        assert 0.4 <= time.monotonic() - began < 10
        assert gone(read_pid(tmp_path / "pid"))
        assert await workers.call(calls.double, 4) == 8  # by another process; its imports are not counted
        assert await workers.call(calls.pid) != read_pid(tmp_path / "pid")

    with_workers(test, at_once=1, seconds=0.4, **advice)


@pytest.mark.few(0)
def test_a_call_may_have_a_time_of_its_own(tmp_path: Path) -> None:
    async def test(workers: Workers) -> None:
        with pytest.raises(TooLongError, match=r"took more than 0\.3 s"):
            await workers.call(calls.spin, str(tmp_path / "pid"), seconds=0.3)
        assert gone(read_pid(tmp_path / "pid"))

    with_workers(test, at_once=1, seconds=600.0)


@pytest.mark.few(0)
def test_a_computation_nobody_waits_for_is_killed(tmp_path: Path) -> None:
    async def test(workers: Workers) -> None:
        for k in range(4):
            note = tmp_path / f"pid{k}"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(workers.call, calls.spin, str(note))
                await anyio.to_thread.run_sync(read_pid, note)
                tasks.cancel_scope.cancel()
            assert gone(read_pid(note))
        async with anyio.create_task_group() as tasks:  # both turns are there again
            for _ in range(2):
                tasks.start_soon(workers.call, calls.sleep, 0.05)

    with_workers(test, wait_seconds=0.01, waiting=0)


@pytest.mark.few(0)
def test_two_at_once_then_a_waiting_room_then_busy() -> None:
    results: list[Any] = []

    async def one(workers: Workers, k: int) -> None:
        try:
            results.append((k, await workers.call(calls.sleep, 0.3)))
        except BusyError as error:
            results.append((k, str(error)))

    async def test(workers: Workers) -> None:
        async with anyio.create_task_group() as tasks:
            for k in range(6):
                tasks.start_soon(one, workers, k)
                await anyio.sleep(0.01)
        assert not workers.turns.waiting

    began = time.monotonic()
    with_workers(test, at_once=2, waiting=2, wait_seconds=5)
    assert time.monotonic() - began > 0.55
    refused = [text for _, text in results[:2]]
    assert refused == ["2 computations run and 2 wait; try again in a moment"] * 2
    assert sorted(k for k, _ in results[2:]) == [0, 1, 2, 3]  # those that came first
    assert len({pid for _, pid in results[2:]}) == 2


@pytest.mark.few(0)
def test_nobody_waits_longer_than_they_should() -> None:
    async def test(workers: Workers) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.call, calls.sleep, 1.0)
            await anyio.sleep(0.05)
            began = time.monotonic()
            with pytest.raises(BusyError, match=r"waited 0\.2 s"):
                await workers.call(calls.pid)
            assert 0.15 < time.monotonic() - began < 0.8
            with anyio.move_on_after(0.1):  # one who leaves the waiting room takes no turn
                await workers.call(calls.pid)
        assert await workers.call(calls.double, 1) == 2

    with_workers(test, at_once=1, wait_seconds=0.2)


@pytest.mark.few(0)
def test_a_worker_that_was_killed_while_it_was_idle_is_replaced() -> None:
    async def test(workers: Workers) -> None:
        before = await workers.call(calls.pid)
        os.kill(before, 9)
        assert gone(before)
        await anyio.sleep(0.1)  # its other thread may end a moment later
        assert await workers.call(calls.pid) != before

    with_workers(test, at_once=1)


@pytest.mark.few(0)
def test_a_worker_that_stays_large_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how large a process is")
    monkeypatch.setattr(pool, "MOST_IDLE_BYTES", 300_000_000)

    async def test(workers: Workers) -> None:
        before = await workers.call(calls.pid)
        assert await workers.call(calls.grow, 1_000_000) == before
        assert await workers.call(calls.grow, 400_000_000) == before
        assert await workers.call(calls.pid) != before
        assert gone(before)

    with_workers(test, at_once=1)


@pytest.mark.few(0)
def test_progress_is_heard_and_not_too_often() -> None:
    heard: list[tuple[int, int]] = []

    async def test(workers: Workers) -> None:
        assert await workers.call(calls.tell_steps, 50, 0.01, progress=lambda *steps: heard.append(steps)) == "told"

    with_workers(test, at_once=1)
    assert heard[0] == (1, 50)
    assert 3 <= len(heard) <= 8
    tell(1, 2)  # outside a worker nobody hears it


@pytest.mark.few(0)
def test_no_process_is_left_at_the_end(tmp_path: Path) -> None:
    async def test(workers: Workers) -> tuple[int, int]:
        idle = await workers.call(calls.pid)
        async with anyio.create_task_group() as tasks:

            async def spin() -> None:
                with pytest.raises(DiedError):
                    await workers.call(calls.spin, str(tmp_path / "pid"))

            tasks.start_soon(spin)
            busy = await anyio.to_thread.run_sync(read_pid, tmp_path / "pid")
            await workers.stop()
        return idle, busy

    assert all(map(gone, with_workers(test)))


@pytest.mark.few(0)
def test_workers_end_when_the_server_is_killed(tmp_path: Path) -> None:
    program = f"""
import anyio, os
from lstm_trace.workers import Workers
from tests.support import worker_calls as calls

async def main():
    async with Workers() as workers, anyio.create_task_group() as tasks:
        idle = await workers.call(calls.pid)
        tasks.start_soon(workers.call, calls.spin, {str(tmp_path / "pid")!r})
        while not os.path.exists({str(tmp_path / "pid")!r}):
            await anyio.sleep(0.02)
        print(idle, flush=True)

anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        pids = [int(server.stdout.readline()), read_pid(tmp_path / "pid")]
        server.kill()
    assert all(map(gone, pids))


def test_a_worker_that_cannot_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with Workers(f"{calls.__name__}:wrong", at_once=1) as workers:
            for _ in range(2):
                with pytest.raises(DiedError, match="could not be started; the server's messages say why"):
                    await workers.until_warm()
                with pytest.raises(DiedError):
                    await workers.call(calls.pid)

    anyio.run(test)
    assert "the first problem" in capfd.readouterr().err


@pytest.mark.few(0)
def test_a_worker_is_warm_before_its_first_call() -> None:
    async def test() -> None:
        async with Workers(f"{calls.__name__}:warm", at_once=1, seconds=0.3) as workers:
            assert await workers.call(calls.is_warm)  # and the 0.5 s of that count for nobody

    anyio.run(test)


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit there")
def test_memory_is_bounded() -> None:
    async def test(workers: Workers) -> None:
        with pytest.raises(TooLargeError, match="not enough memory"):
            await workers.call(calls.grow, 900_000_000)
        assert await workers.call(calls.double, 4) == 8

    with_workers(test, at_once=1, memory=800_000_000)


def test_a_worker_has_one_thread_and_no_interrupt() -> None:
    async def test(workers: Workers) -> None:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            assert await workers.call(calls.environment, name) == "1"
        os.kill(pid := await workers.call(calls.pid), signal.SIGINT)
        assert await workers.call(calls.pid) == pid

    with_workers(test, at_once=1)


@pytest.mark.few(0)
def test_a_call_costs_little() -> None:
    async def test(workers: Workers) -> list[float]:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            await workers.call(calls.double, 1)
            times.append(time.perf_counter() - began)
        return times

    middle = statistics.median(with_workers(test))
    print(f"{middle * 1e6:.0f} us a call")
    assert middle < 0.003


def test_an_error_keeps_its_problems_when_it_is_pickled() -> None:
    import pickle

    for error in (ShapeError("a", "b\nc"), LstmTraceError(), DiedError("x" * 3000, "y" * 3000)):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert (type(again), again.problems, str(again)) == (type(error), error.problems, str(error))


@pytest.mark.few(0)
def test_of_many_problems_the_first_are_sent() -> None:
    async def test(workers: Workers) -> LstmTraceError:
        with pytest.raises(LstmTraceError) as found:
            await workers.call(calls.raise_problems, 300_000)
        return found.value

    problems = with_workers(test).problems
    assert (len(problems), problems[-1]) == (51, "and 299,950 more")
