"""What the system says of a file, as part of a message."""

from __future__ import annotations


def reason(error: OSError, *, paths: bool = True) -> str:
    """Why a file cannot be read or written, in lower case.

    Args:
        error: what was raised.
        paths: whether the text may name files. What a client of the service reads must not: paths are the server's own,
            and an error without a number may have any text.

    Returns:
        The text.

    >>> reason(FileNotFoundError(2, "No such file or directory", "/home/me/t.json")), reason(OSError("Not a gzip file"))
    ('no such file or directory', 'not a gzip file')
    >>> reason(OSError("/srv/lib/t.json is odd"), paths=False)
    'oserror'
    """
    return (error.strerror or (str(error) if paths else type(error).__name__)).lower()
