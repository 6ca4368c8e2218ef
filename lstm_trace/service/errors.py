"""Errors that only a service has, each with its answer: status, slug and title of the problem document."""

from __future__ import annotations

from typing import ClassVar

from ..errors import LstmTraceError


class ServiceError(LstmTraceError):
    """Base of these errors. A subclass is an answer of its own, and needs no row in a table.

    status: of the reply. slug: the end of the problem document's type. title: the same for every reply of the type.
    """

    status: ClassVar[int] = 422
    slug: ClassVar[str] = "not-possible"
    title: ClassVar[str] = "The request cannot be carried out"


class UnknownError(ServiceError):
    """What the address of a request names was never there: a run, an item, a job."""

    status, slug, title = 404, "not-found", "Nothing is at this address"


class GoneError(ServiceError):
    """What the address of a request names was there and is no longer kept."""

    status, slug, title = 410, "gone", "This is no longer kept"


class BodyError(ServiceError):
    """A body that is not what its type says: no JSON, not UTF-8, a key twice."""

    status, slug, title = 400, "not-json", "The body cannot be read as JSON"


class MediaError(ServiceError):
    """A body of a type that the address does not take."""

    status, slug, title = 415, "media-type", "The body is of another type than expected"


class UnacceptableError(ServiceError):
    """A reply is asked for in a type that cannot be made."""

    status, slug, title = 406, "not-acceptable", "The reply cannot be of the type that is asked for"


class BodyTooLargeError(ServiceError):
    """A body of more bytes than are read."""

    status, slug, title = 413, "too-large", "The request is too large"


class BusyError(ServiceError):
    """All workers compute, and those who wait are too many, or waited too long."""

    status, slug, title = 429, "busy", "Too many computations at once"


class TooLongError(ServiceError):
    """A computation took more time than it may, and was stopped."""

    slug, title = "too-long", "The computation took too long and was stopped"


class DiedError(ServiceError):
    """The process of a computation ended without an answer; most often the system killed it for its memory."""

    slug, title = "stopped", "The computation ended without an answer"
