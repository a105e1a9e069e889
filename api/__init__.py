"""The HTTP API and its page. The composition root passes in everything that they use."""
