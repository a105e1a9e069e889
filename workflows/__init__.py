"""The workflows that run in production. Each runs in Temporal's sandbox in the tests."""
