"""Settings with which a service is started, and limits on what a request may cost."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import OptionError

_MB = 1_000_000
#: A bearer token (RFC 6750, section 2.1); valid in headers, addresses and cookies without escaping.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: Minimum length of a token: 16 of 64 characters are 96 bits, impossible to guess over a network.
LEAST_TOKEN = 16


def _limit(usual: float, about: str, zero: bool = False) -> Any:
    """A field of `Limits`. zero: whether it may be 0."""
    return Field(usual, gt=None if zero else 0, ge=0 if zero else None, description=about)


class Limits(BaseModel):
    """Limits on what a request may cost; shown at `/api/v1/limits`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = _limit(64 * _MB, "maximum size of a request's body, in bytes")
    small_body_bytes: int = _limit(256_000, "maximum size of bodies without arrays: all but runs, edits and files")
    values_per_run: int = _limit(20_000_000, "maximum number of values of a run: steps x batch x widths of all lines")
    seconds: float = _limit(10.0, "duration of a computation after which it is stopped")
    at_once: int = _limit(3, "maximum number of concurrent computations; for one client one fewer, but at least one")
    waiting: int = _limit(64, "maximum number of computations that wait for their turn; others get 429", zero=True)
    waiting_of_one: int = _limit(16, "maximum number of waiting computations per client", zero=True)
    waiting_bytes: int = _limit(256 * _MB, "maximum size of bodies in memory, not counting small ones; others get 429")
    wait_seconds: float = _limit(30.0, "how long a request that is no job waits; then it gets 429", zero=True)
    worker_bytes: int = _limit(4_000 * _MB, "maximum memory of one computation")
    reply_within: float = _limit(1.0, "seconds after which the reply is 202 and the address of a job", zero=True)
    jobs: int = _limit(64, "number of finished jobs that are kept")
    job_bytes: int = _limit(256 * _MB, "maximum size of the replies of finished jobs that are kept")
    job_seconds: float = _limit(300.0, "how long a finished job is kept")
    runs: int = _limit(256, "number of runs that are kept; the least recently used one is removed first")
    run_bytes: int = _limit(1_000 * _MB, "maximum size of the runs that are kept")
    live_units: int = _limit(64, "maximum number of units of the widest line in a run that is shown completely")
    listed: int = _limit(10_000, "rows of a table in one reply")
    mapped: int = _limit(1_000_000, "numbers of a map of differences in one reply")
    items: int = _limit(100_000, "maximum number of items in the library")
    shown_steps: int = _limit(4_000, "steps of a sequence of a corpus in one reply")
    contexts: int = _limit(200, "contexts of a unit, or sequences of a corpus, in one reply")
    pass_times: int = _limit(30, "maximum duration of a pass over a corpus, as a multiple of `seconds`")
    retry_after: int = _limit(1, "seconds to wait after a reply 429, as in its header Retry-After")
    connections: int = _limit(4_000, "maximum number of open connections, or what the system allows; idle ones go")
    connections_of_one: int = _limit(1_000, "maximum number per address (perhaps a school's) or 64-bit IPv6 network")
    head_bytes: int = _limit(32_768, "maximum size of the address and the headers of a request")
    headers: int = _limit(100, "maximum number of headers of a request")
    head_seconds: float = _limit(10.0, "seconds within which the headers of a request must arrive")
    stalled_seconds: float = _limit(20.0, "how long a body or a reply may make no progress; bytes extend this time")
    least_rate: int = _limit(2_000, "bytes per second below which a body or reply is too slow")
    idle_seconds: int = _limit(5, "how long a connection stays open without a request")


@dataclass(frozen=True)
class Settings:
    """How a service is started.

    host, port: where it listens. store: the URL of its database, as in SQLAlchemy. files: the folder of the stored
    files; next to that database if None. token: the token that requests must carry; required if other machines can
    reach the host. sources: files that are put into the store at the start. states: folders with the states of a
    corpus, by the names under which they are requested; no other folder is read.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: str = "sqlite:///store.db"
    files: Path | None = None
    token: str | None = None
    sources: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Raise OptionError if others can reach the host and there is no token, and for an invalid token."""
        if self.token is None:
            if not is_loopback(self.host):
                advice = "give a token that they must send (--token, or the variable LSTM_TRACE_TOKEN)"
                raise OptionError(f"--host {self.host} lets other machines in: {advice}, or listen on 127.0.0.1")
        elif len(self.token) < LEAST_TOKEN or not _TOKEN.fullmatch(self.token):
            made = "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes one"
            letters = "letters, digits and . _ ~ + / -"
            raise OptionError(f"a token has at least {LEAST_TOKEN} characters, which are {letters}; {made}")


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine and cannot be reached from elsewhere.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.2", "example.org")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
