"""Functions of JavaScript modules of the package, called in node with many cases at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .page_modules import computed


def in_node(script: str, data: Any, *modules: str) -> Any:
    """What a script returns for some data, as JSON.

    script: the body of a function of `data`. modules: paths in the package; their exports have the names of the files.
    """
    imports = "".join(f'import * as {Path(path).stem} from "LINES/../{path}";\n' for path in modules)
    return computed(f"{imports}export const answer = (data) => {{ {script} }};", data)
