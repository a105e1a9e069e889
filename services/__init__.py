"""Decide and record. Services know neither Temporal nor Kafka: a command goes in, an event comes out."""
