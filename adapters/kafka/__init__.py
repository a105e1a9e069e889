"""Kafka: events in and out. The databases keep the truth; the broker only carries it."""
