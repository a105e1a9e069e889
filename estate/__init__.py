"""The Celery estate: its app, its tasks, its task outbox, its mails and its schedule."""
