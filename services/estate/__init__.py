"""What the Celery estate keeps: users, videos, and the tasks that are still to be handed over."""
