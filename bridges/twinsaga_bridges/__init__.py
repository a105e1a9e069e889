"""Bridges between Celery, Kafka and Temporal.

Public are the four modules `workflow_into_celery`, `celery_into_workflow`, `kafka_into_workflow` and
`workflow_into_kafka`, and `handled_events`, `testing` and `kafka.outgoing`. Everything else is the implementation.
"""
