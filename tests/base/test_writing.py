"""A folder that one holds, and what killed writers have left in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lstm_trace.base.writing import alone, part, sweep_folder, written

HOLD = """
import sys
from pathlib import Path
from lstm_trace.base.writing import alone
with alone(Path(sys.argv[1])) as free:
    print(free, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_until_its_process_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    with alone(tmp_path) as free:
        assert not free
    other.kill()
    other.communicate()
    with alone(tmp_path) as free:
        assert free
        with alone(tmp_path) as again:
            assert not again
    with alone(tmp_path) as free:
        assert free


def test_leftovers_of_all_writers_go_and_what_is_written_stays(tmp_path: Path) -> None:
    names = (".a.lstm-trace-abcd1234.part", ".b.parquet.lstm-trace-abcd_234.part")
    others = (".a.lstm-trace-abc.part", "a.lstm-trace-abcd1234.part", ".a.part", "a.parquet")
    for name in (*names, *others):
        (tmp_path / name).write_text("half")
    with part(tmp_path / "now") as (_, written):
        sweep_folder(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*others, Path(written).name}


def test_a_file_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o600)
    with written(path) as file:
        file.write("new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
