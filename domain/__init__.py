"""The words of the business. Standard library only."""
