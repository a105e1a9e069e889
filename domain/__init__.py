"""The vocabulary of the business. Uses the standard library only."""
