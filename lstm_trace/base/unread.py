"""Files that are not read: what each one is, recognised by its content, and how to get something that is read.

The formats are rows of unread.toml, which says what a row has.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import FileError
from .packaged import packaged

#: Bytes from the start of a file by which it is recognised, and from its end.
HEAD, TAIL = 512, 8
#: The suffixes of the files that are read: their readers say what is wrong.
READ = {
    ".pt", ".pth", ".bin", ".ckpt", ".jit", ".pt2", ".safetensors", ".npz", ".keras", ".h5", ".hdf5", ".onnx",
    ".msgpack", ".tflite",
}  # fmt: skip
#: The end of a path by which a group of files is not called.
_PARTS = re.compile(r"\.index$|\.data-\d{5}-of-\d{5}$|/?(checkpoint|saved_model\.pb(txt)?|keras_metadata\.pb)$")


class Unread(NamedTuple):
    """A format that is not read: a row of unread.toml."""

    what: str
    instead: str = "save its arrays as .npz"
    imports: str = ""
    arrays: str = ""
    head: str = "(?!)"
    name: str = "(?!)"
    inside: tuple[str, ...] = ()
    unnamed: bool = False

    def advice(self, file: str) -> str:
        """What to do next with a file, given as Python writes its path."""
        code = f": import numpy as np, {self.imports}; np.savez('weights.npz', **{self.arrays})" if self.arrays else ""
        return (self.instead + code).replace("FILE", file)


@cache
def unread() -> tuple[Unread, ...]:
    """The formats, in the order in which they are tried."""
    return tuple(Unread(**row) for row in packaged("base/unread.toml")["format"])


def refuse(path: str | Path) -> None:
    """Raise FileError for a file or folder of a format that is not read.

    A file of bare numbers is recognised by its description (`.xml` or `.param` beside `.bin`), and a checkpoint in
    several files by the name that they have in common.
    """
    place, said = Path(path), ""
    candidates = [place, Path(f"{path}.index"), place / "checkpoint"]
    with suppress(OSError, ValueError):  # a name that no file can have
        if place.suffix.lower() == ".bin" and _ends(place)[:1] not in ("P", "\x80"):  # not PyTorch's
            candidates += [place.with_suffix(suffix) for suffix in (".xml", ".param")]
        for file in filter(Path.exists, candidates):
            folder, name, content = file.is_dir(), file.name.lower(), _ends(file)
            for one in unread():
                if (
                    re.search(one.name, name)
                    or (re.match(one.head, content, re.S | re.A) and not (one.unnamed and file.suffix.lower() in READ))
                    or (folder and any((file / entry).exists() for entry in one.inside))
                ):
                    source = repr(_PARTS.sub("", str(file)) or ".")
                    said = said or f"{one.what}, which is not read here; {one.advice(source)}"
    if said:
        raise FileError(f"{path}: {said}")


def _ends(file: Path) -> str:
    """The first bytes of a file and its last ones, a character each; empty if it can be read only once.

    Raises OSError.
    """
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        head = opened.read(HEAD)
        opened.seek(max(opened.seek(0, 2) - TAIL, 0))
        return (head + opened.read()).decode("latin-1")
