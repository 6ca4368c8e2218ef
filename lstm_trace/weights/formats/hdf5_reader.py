"""What is in an HDF5 file, read by h5py; as a script, in a process of its own.

libhdf5 is C, and a damaged file can end the process that reads it (a flipped bit in a header does) or make it ask for
gigabytes. So `hdf5` starts this file as a script, under a limit of memory, and reads its answers: then such a file is
one message. The script imports nothing of the package, which would take longer than the reading.

Asked: a line of JSON with the file, then one for each array that is wanted. Answered: a line of JSON for each, followed
by the array's bytes. No pickles: what comes from this process is judged like the file itself.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import Any

#: More objects than this are no model.
MOST = 200_000
#: What h5py may raise for a file that is damaged or foreign, and what an archive around it may.
FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile)


class RefusedError(ValueError):
    """The file is not what a model's weights are in; the message goes to the user as it is."""


class Stored:
    """An open file. entry: where it stands in an archive, empty where the path is the file itself.

    table: `arrays` by path, each with its shape, dtype, how many bytes it has in the file and what speaks against
    reading it; `attributes` of groups that are texts; `order`, the names of layers in the order of the model.
    Raises one of FAULTS.
    """

    def __init__(self, path: str, entry: str) -> None:
        import h5py

        source: Any = path
        if entry:
            with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
                # not all that is there: an entry may hold more than it says
                source = io.BytesIO(file.read(max(1, archive.getinfo(entry).file_size)))
        try:
            self._file = h5py.File(source, "r")
        except FAULTS as error:
            raise RefusedError(f"not an HDF5 file, or cut off ({str(error)[:120]})") from None
        self._arrays: dict[str, Any] = {}
        self.table: dict[str, Any] = {"arrays": {}, "attributes": {}, "order": []}
        try:
            self._walk(h5py)
        except BaseException:
            self.close()
            raise

    def _walk(self, h5py: Any) -> None:
        seen: set[Any] = set()
        links: dict[str, str] = {}
        groups = [("", self._file)]
        while groups:
            path, group = groups.pop()
            self.table["attributes"][path] = _texts(group)
            self.table["order"] += _order(group)
            for name in group:
                here = f"{path}/{name}" if path else name
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise RefusedError(f"{here} is a link to another file ({link.filename}), which is never followed")
                if isinstance(link, h5py.SoftLink):
                    links[here] = link.path if link.path.startswith("/") else f"{path}/{link.path}"
                    continue
                item = group[name]
                place = h5py.h5o.get_info(item.id).addr
                if place in seen:
                    continue  # a second way to the same object
                seen.add(place)
                if len(seen) > MOST:
                    raise RefusedError(f"more than {MOST:,} objects; not a file of weights")
                if isinstance(item, h5py.Group):
                    groups.append((here, item))
                elif isinstance(item, h5py.Dataset):
                    self._arrays[here] = item
                    self.table["arrays"][here] = _described(item)
        for here, target in links.items():  # not followed, since they may lead over a link to another file
            if target.strip("/") in self._arrays:
                raise RefusedError(f"{here} is a soft link to the array {target}; store the array itself there")

    def numbers(self, name: str) -> Any:
        """An array of the table, in one piece."""
        import numpy as np

        return np.ascontiguousarray(self._arrays[name][()])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _described(item: Any) -> dict[str, Any]:
    kind = item.dtype
    plist = item.id.get_create_plist()
    return {
        "shape": item.shape or (),
        "dtype": str(kind) if kind.names or kind.hasobject else kind.str,
        "stored": item.id.get_storage_size(),
        "chunked": item.chunks is not None,
        "elsewhere": bool(plist.get_external_count() or item.is_virtual),
        "numbers": kind.kind in "fiuV" and not kind.names and not kind.hasobject,
        # Keras keeps bfloat16 as two bytes without a meaning of their own
        "half": "dtype" in item.attrs and _text(item.attrs["dtype"]) == "bfloat16",
    }


def _texts(group: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in group.attrs:
        kind = group.attrs.get_id(name)
        if kind.shape == () and kind.dtype.kind in "OSU":
            text = _text(group.attrs[name])
            if text is not None:
                found[name] = text
    return found


def _order(group: Any) -> list[str]:
    """`layer_names` of Keras 1 and 2, in pieces (`layer_names0`, …) where there are many."""
    pieces = sorted((n for n in group.attrs if n.rstrip("0123456789") == "layer_names"), key=lambda n: (len(n), n))
    kept = [group.attrs[name] for name in pieces if len(group.attrs.get_id(name).shape) == 1]
    return [text for values in kept for text in map(_text, values) if text is not None]


def _text(value: Any) -> str | None:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return str(text) if isinstance(text, str) else None


# -- the script ------------------------------------------------------------------------------------------------------


def limit_memory(more: int) -> None:
    """Allow this process `more` bytes beyond what it has, where the system can hold it to that (Linux)."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = used + more if hard == resource.RLIM_INFINITY else min(used + more, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here, and its memory is of no use


def main() -> None:
    """Answer until nothing more is asked."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    stored: Stored | None = None
    for line in asked:
        values = None
        try:
            request = json.loads(line)
            if stored is None:
                sys.path[:] = request["modules"]
                import h5py  # noqa: F401 - its own memory is not the file's

                limit_memory(request["memory"])
                stored = Stored(request["path"], request["entry"])
                reply: dict[str, Any] = stored.table
            else:
                limit_memory(request["memory"])
                values = stored.numbers(request["name"])
                reply = {"dtype": values.dtype.str, "bytes": values.nbytes}
        except MemoryError:
            reply = {"error": "more memory than a file of its size can need", "refused": False}
        except ImportError as error:
            reply = {"error": f"h5py cannot be imported ({error})", "refused": False}
        except FAULTS as error:
            said = str(error).strip().splitlines()
            reply = {
                "error": said[0][:200] if said else type(error).__name__,
                "refused": isinstance(error, RefusedError),
            }
        answers.write(json.dumps(reply).encode() + b"\n")
        if values is not None:
            answers.write(values.reshape(-1).view("u1").data)
        answers.flush()


if __name__ == "__main__":
    main()
