"""The HTTP API. Everything it stands on is handed in by the composition root."""
