"""JavaScript modules of the package, run by node: one process for many cases."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "lstm_trace"


def in_node(script: str, data: Any, *modules: str) -> Any:
    """What a script returns for some data, as JSON.

    script: the body of a function of `data`. modules: paths in the package; their exports have the names of the files.
    """
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed: the JavaScript modules are not run")
    imports = "".join(f'import * as {Path(path).stem} from "{(PACKAGE / path).as_uri()}";\n' for path in modules)
    program = (
        f'{imports}import {{ readFileSync }} from "node:fs";\nconst told = (data) => {{ {script} }};\n'
        'process.stdout.write(JSON.stringify(await told(JSON.parse(readFileSync(0, "utf8")))) ?? "null");'
    )
    command = [node, "--input-type=module", "-e", program]
    found = subprocess.run(command, input=json.dumps(data), capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert found.returncode == 0, found.stderr[-3000:]
    return json.loads(found.stdout)
