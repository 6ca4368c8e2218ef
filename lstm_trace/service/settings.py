"""Settings with which a service is started, and limits on what a request may cost."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..errors import OptionError
from ..runs.records import DescribedSchema

_MB = 1_000_000
#: A bearer token (RFC 6750, section 2.1); valid in headers, addresses and cookies without escaping.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: Minimum length of a token: 16 of 64 characters are 96 bits, impossible to guess over a network.
LEAST_TOKEN = 16


class Limits(DescribedSchema, BaseModel):
    """Limits on what a request may cost; shown at `/api/v1/limits`.

    Attributes:
        body_bytes: maximum size of a request's body, in bytes.
        small_body_bytes: maximum size, in bytes, of the body of a request without arrays: any but runs, edits, files.
        values_per_run: maximum number of values of a run: steps x batch x the widths of all lines.
        seconds: duration of a computation after which it is stopped.
        at_once: maximum number of concurrent computations; for one client one fewer, but at least one.
        waiting: maximum number of computations that wait for their turn; beyond that the reply is 429.
        waiting_of_one: maximum number of waiting computations per client.
        waiting_bytes: maximum size of bodies in memory, not counting small ones; beyond that the reply is 429.
        wait_seconds: how long a request waits for its turn, if its reply is not a job, before it is answered with 429.
        worker_bytes: maximum memory of one computation.
        reply_within: seconds after which the reply is 202 and the address of a job.
        jobs: number of finished jobs that are kept.
        job_bytes: maximum size of the replies of finished jobs that are kept.
        job_seconds: how long a finished job is kept.
        runs: number of runs that are kept; the least recently used one is removed first.
        run_bytes: maximum size of the runs that are kept.
        live_units: maximum number of units of the widest line in a run that is shown completely.
        listed: rows of a table in one reply.
        mapped: numbers of a map of differences in one reply.
        items: maximum number of items in the library.
        shown_steps: steps of a sequence of a corpus in one reply.
        contexts: contexts of a unit, or sequences of a corpus, in one reply.
        pass_times: maximum duration of a pass over a corpus, as a multiple of `seconds`.
        retry_after: seconds to wait after a reply 429, as in its header Retry-After.
        connections: maximum number of open connections, or fewer if the system allows fewer files; beyond that an idle
            one is closed.
        connections_of_one: maximum number of connections per address (which may be a school's) or 64-bit IPv6 network.
        head_bytes: maximum size of the address and the headers of a request.
        headers: maximum number of headers of a request.
        head_seconds: seconds within which the headers of a request must arrive.
        stalled_seconds: how long a body or a reply may make no progress; bytes extend this time.
        least_rate: bytes per second below which a body or reply is too slow.
        idle_seconds: how long a connection stays open without a request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(default=64 * _MB, gt=0)
    small_body_bytes: int = Field(default=256_000, gt=0)
    values_per_run: int = Field(default=20_000_000, gt=0)
    seconds: float = Field(default=10.0, gt=0)
    at_once: int = Field(default=3, gt=0)
    waiting: int = Field(default=64, ge=0)
    waiting_of_one: int = Field(default=16, ge=0)
    waiting_bytes: int = Field(default=256 * _MB, gt=0)
    wait_seconds: float = Field(default=30.0, ge=0)
    worker_bytes: int = Field(default=4_000 * _MB, gt=0)
    reply_within: float = Field(default=1.0, ge=0)
    jobs: int = Field(default=64, gt=0)
    job_bytes: int = Field(default=256 * _MB, gt=0)
    job_seconds: float = Field(default=300.0, gt=0)
    runs: int = Field(default=256, gt=0)
    run_bytes: int = Field(default=1_000 * _MB, gt=0)
    live_units: int = Field(default=64, gt=0)
    listed: int = Field(default=10_000, gt=0)
    mapped: int = Field(default=1_000_000, gt=0)
    items: int = Field(default=100_000, gt=0)
    shown_steps: int = Field(default=4_000, gt=0)
    contexts: int = Field(default=200, gt=0)
    pass_times: int = Field(default=30, gt=0)
    retry_after: int = Field(default=1, gt=0)
    connections: int = Field(default=4_000, gt=0)
    connections_of_one: int = Field(default=1_000, gt=0)
    head_bytes: int = Field(default=32_768, gt=0)
    headers: int = Field(default=100, gt=0)
    head_seconds: float = Field(default=10.0, gt=0)
    stalled_seconds: float = Field(default=20.0, gt=0)
    least_rate: int = Field(default=2_000, gt=0)
    idle_seconds: int = Field(default=5, gt=0)


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
