"""pyarrow, which every file of a corpus needs: imported once, with a message where it is missing."""

from __future__ import annotations

from ..base.extras import missing
from ..errors import OptionError

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise OptionError(missing("a corpus", "pyarrow")) from None

__all__ = ["compute", "pa", "parquet"]
