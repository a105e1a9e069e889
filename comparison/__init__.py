"""The same orders both ways: what is expected, what happened, what it cost, and whether the books are right."""
