"""A client of the service: a server's runs, values and results as Python objects; standard library only."""

from .client import Client, RemoteResult, RemoteRun, ServiceError

__all__ = ["Client", "RemoteResult", "RemoteRun", "ServiceError"]
