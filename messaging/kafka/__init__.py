"""Kafka: events in and out. The databases are the source of truth; the broker only transports events."""
