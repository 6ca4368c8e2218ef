"""What a worker does before its first call, so that requests do not wait for imports and first-time work."""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory

from ..base.extras import speak_to_others
from . import comparing, inspecting, printing, reading, running
from .kept import Bounds

#: Modules needed by the first request of each kind; the others are imported here.
_OTHERS = (comparing, inspecting, printing)


def warm() -> None:
    """Make the run of an example, and view it as the page does: the first time, each step takes 50 to 200 ms."""
    speak_to_others()
    look = reading.Look()
    bounds = Bounds(values=1_000_000, live=64, runs=1, bytes=1_000_000)
    with TemporaryDirectory() as folder:
        made = running.make(json.dumps({"example": "three-steps"}).encode(), folder, bounds)
        path = f"{folder}/{made.id}.safetensors"
        reading.premises(path, None, 1000)
        reading.step(path, None, None, 0, 0, None, 64, look)
        comparing.at(path, "0/h_t[0]", None, look)
