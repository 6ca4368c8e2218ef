"""What a service is started with, and what it allows a request to cost."""

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
#: A bearer token (RFC 6750, section 2.1); it may stand in a header, an address and a cookie as it is.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: Characters of a token at least: 16 of 64 kinds are 96 bits, beyond guessing over a network.
LEAST_TOKEN = 16


class Limits(DescribedSchema, BaseModel):
    """What a request may cost; shown at `/api/v1/limits`.

    Attributes:
        body_bytes: bytes of a request's body.
        small_body_bytes: bytes of the body of a request that has no arrays: any but runs, edits, files.
        values_per_run: values of a run: steps x batch x the widths of all lines.
        seconds: of a computation, after which it is stopped.
        at_once: computations that run at the same time; of one client one less, but one at least.
        waiting: computations that wait for their turn; beyond that the reply is 429.
        waiting_of_one: of them those of one client.
        waiting_bytes: of bodies in memory, small ones left out; beyond that the reply is 429.
        wait_seconds: that a request waits for its turn where its reply is no job, before it is 429.
        worker_bytes: of memory that one computation may take.
        reply_within: seconds after which the reply is 202 and the address of a job.
        jobs: finished jobs that are kept.
        job_bytes: of the replies of finished jobs that are kept.
        job_seconds: that a finished job is kept.
        runs: runs that are kept; the one that was not used for longest goes first.
        run_bytes: of the runs that are kept.
        live_units: units of the widest line of a run that is shown whole.
        listed: rows of a table in one reply.
        mapped: numbers of a map of differences in one reply.
        items: items of the library.
        shown_steps: steps of a sequence of a corpus in one reply.
        contexts: contexts of a unit, or sequences of a corpus, in one reply.
        pass_times: times `seconds` that a pass over a corpus may take.
        retry_after: seconds to wait after a reply 429, as its header Retry-After says.
        connections: that are open, or fewer where the system allows fewer files; beyond that an idle one is closed.
        connections_of_one: of one address, which may be a school's, or of 64 bits of IPv6.
        head_bytes: of the address and the headers of a request.
        headers: of a request.
        head_seconds: in which the headers of a request must be there.
        stalled_seconds: that a body may stand still on its way, or a reply; bytes extend it.
        least_rate: bytes a second of a body or reply that is slow.
        idle_seconds: that a connection stays open without a request.
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

    host, port: where it listens. store: the address of its database, as SQLAlchemy has them. files: the folder of the
    stored files; beside that database if None. token: what a request must show; needed where others than this machine
    can reach the host. sources: files that are put into the store at the start. states: folders of the states of a
    corpus, by the names that they are asked for by; no other folder is read.
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
        """Raise OptionError for a host that others can reach without a token, and for an invalid token."""
        if self.token is None:
            if not is_loopback(self.host):
                raise OptionError(
                    f"--host {self.host} lets other machines in: give a token that they must show (--token, or the "
                    "variable LSTM_TRACE_TOKEN), or listen on 127.0.0.1"
                )
        elif len(self.token) < LEAST_TOKEN or not _TOKEN.fullmatch(self.token):
            raise OptionError(
                f"a token has at least {LEAST_TOKEN} characters, which are letters, digits and . _ ~ + / -; "
                "`python -c 'import secrets; print(secrets.token_urlsafe())'` makes one"
            )


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine, and is reached from nowhere else.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.2", "example.org")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
