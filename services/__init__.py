"""The services: a command goes in, an event comes out. They depend on neither Temporal nor Kafka."""
