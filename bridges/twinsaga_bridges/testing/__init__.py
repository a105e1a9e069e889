"""Stand-ins for tests of code that uses the bridges. `celery` and `kafka` need the extra of that name."""
