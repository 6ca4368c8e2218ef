"""The paths of the API, a router for each part; what computes is sent to a worker process."""
