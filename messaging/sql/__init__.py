"""Transactions, event log, inbox and outbox over SQLAlchemy, on SQLite or PostgreSQL."""
