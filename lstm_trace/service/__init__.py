"""The service: a bench in the browser and an API, for models and problems of one's own. No arithmetic stands here."""
