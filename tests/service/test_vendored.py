"""The JavaScript of others is as it was published, and its licences are beside it."""

from __future__ import annotations

from hashlib import sha256

from .. import ROOT

VENDOR = ROOT / "lstm_trace" / "service" / "static" / "vendor"


def test_every_file_is_as_it_was_published() -> None:
    sums = dict(line.split()[::-1] for line in (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    assert {name: sha256((VENDOR / name).read_bytes()).hexdigest() for name in sums} == sums
    files = {path.name for path in VENDOR.iterdir()}
    assert files - sums.keys() == {"README.md", "SHA256SUMS"}
    assert {"LICENSE-htm.txt", "LICENSE-preact.txt"} <= sums.keys()
