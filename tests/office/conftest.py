"""LibreOffice, without a screen, told to compute every cell again: else it would read back what was written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

#: 0 is "always recalculate"; both kinds of files have the setting.
SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="ODFRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
"""


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Path], str], list[Path]]:
    """Workbooks, all computed again at once and written as `xlsx` or `pdf`: the paths of the new files."""
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice (soffice) is not here: nothing can compute the spreadsheets again")
    home = tmp_path_factory.mktemp("office")
    (home / "user").mkdir()
    (home / "user" / "registrymodifications.xcu").write_text(SETTINGS)

    def convert(paths: list[Path], kind: str) -> list[Path]:
        out = tmp_path_factory.mktemp("computed")
        subprocess.run(  # noqa: S603 - our own files
            [office, "--headless", f"-env:UserInstallation={home.as_uri()}", "--convert-to", kind, "--outdir",
             str(out), *map(str, paths)],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        return [out / path.with_suffix(f".{kind}").name for path in paths]

    return convert


@pytest.fixture(scope="session")
def recalculated(converted: Callable[[list[Path], str], list[Path]]) -> Callable[[list[Path]], list[Path]]:
    """Workbooks, all computed again at once: the paths of the new ones."""
    return lambda paths: converted(paths, "xlsx")


@pytest.fixture(scope="session")
def printed(converted: Callable[[list[Path], str], list[Path]]) -> Callable[[list[Path]], list[list[str]]]:
    """The pages of each workbook as a person sees them: their texts, as they are laid out."""
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext (poppler-utils) is not here: nothing can read what LibreOffice shows")

    def pages(path: Path) -> list[str]:
        command = [reader, "-layout", str(path), "-"]
        text = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout  # noqa: S603
        return text.removesuffix("\f").split("\f")

    return lambda paths: [pages(path) for path in converted(paths, "pdf")]
