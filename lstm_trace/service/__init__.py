"""The service: a bench in the browser and an API, for your own models and problems. It does no arithmetic itself."""
