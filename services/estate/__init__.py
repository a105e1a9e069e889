"""The records of the Celery estate: users, videos, and the tasks of its outbox."""
