"""A client of the service: runs, values and answers of a server as Python objects; standard library alone."""

from .client import Client, RemoteResult, RemoteRun, ServiceError

__all__ = ["Client", "RemoteResult", "RemoteRun", "ServiceError"]
