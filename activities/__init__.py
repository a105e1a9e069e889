"""Temporal activities: each passes a command to a service and returns the service's event to the workflow.

They block, so the worker runs them on threads.
"""
