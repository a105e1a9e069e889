"""The Celery estate: its app, its tasks, and what stands on them. Celery is imported where it is first needed."""
