"""Temporal's way to the services: a command comes in, the service decides, its event goes back to the workflow.

They are blocking functions: the worker runs them on threads.
"""
