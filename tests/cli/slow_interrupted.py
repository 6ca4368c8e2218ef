"""Ctrl-C while the command line is still being imported: no traceback, and the exit code of every Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .. import ROOT

#: Sends itself SIGINT when it is about to import a module: the moment is the same in every run.
INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # not what the parent may ignore
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["lstm-trace", "run"]
{start}
"""
#: As `python -m lstm_trace` and as the script that is installed begin.
STARTS = {
    "module": "import runpy; runpy.run_module('lstm_trace', run_name='__main__')",
    "script": "from lstm_trace.__main__ import main; sys.exit(main())",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT that a process sends itself")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("module", ["lstm_trace.cli", "click", "lstm_trace.cli.options", "lstm_trace.cli.verbs.run"])
def test_ctrl_c_while_it_is_imported_prints_nothing(start: str, module: str) -> None:
    code = INTERRUPTED.format(module=module, start=STARTS[start])
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)  # noqa: S603
    assert (ran.returncode, ran.stdout, ran.stderr.strip()) == (130, "", "")
