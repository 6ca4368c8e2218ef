"""A client of the service: runs, values and answers of a server as Python objects; standard library alone."""

from .client import Client, RemoteRun, ServiceError

__all__ = ["Client", "RemoteRun", "ServiceError"]
