"""The Celery estate: its app, its tasks, its task outbox and its mails."""
