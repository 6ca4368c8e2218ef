"""A workbook's file: whole or not there, whatever the disk does while it is written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ...base.extras import missing
from ...base.writing import destination, folder, written
from ...errors import OptionError, TooLargeError


class _Target:
    """The file into which the archive is written; `drop` turns what still comes away from it.

    XlsxWriter leaves its archive open after a fault, and an open archive writes its end when it is collected.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def drop(self) -> None:
        """Keep what is written from now on in memory, where nobody reads it."""
        self.file = io.BytesIO()


@contextmanager
def workbook(path: str | Path) -> Iterator[Any]:
    """An XlsxWriter workbook whose rows go to disk at once; it appears under `path` when all of it is written.

    The rows wait in files beside `path`, which has to have room for the workbook anyway, and are gone at the end.
    Raises OptionError where XlsxWriter is missing, FileError where `path` cannot be written, TooLargeError.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError, FileSizeError
    except ImportError:
        raise OptionError(missing(".xlsx", "XlsxWriter", "write .csv")) from None
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with written(path, "wb") as file, folder(destination(path), ".rows") as rows:
        target = _Target(file)
        made = xlsxwriter.Workbook(target, {**options, "tmpdir": rows})
        try:
            yield made
            made.close()
        except BaseException as error:
            target.drop()
            for sheet in made.worksheets():
                with suppress(OSError):  # what it holds cannot be written either
                    sheet.row_data_fh.close()
            if isinstance(error, FileCreateError):
                raise error.args[0] from None
            if isinstance(error, FileSizeError):
                raise TooLargeError(
                    f"{path}: a sheet has more than 4 GB, which .xlsx cannot hold; choose fewer steps or lines, "
                    "or write .parquet"
                ) from None
            raise
