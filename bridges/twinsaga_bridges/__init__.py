"""Bridges between Celery, Kafka and Temporal.

Four modules are the public interface: `workflow_into_celery`, `celery_into_workflow`, `kafka_into_workflow` and
`workflow_into_kafka`. `HandledEvents`, `ClientPerProcess`, `Backoff` and `testing` are public too; `celery/` and
`kafka/` are the implementation.
"""
