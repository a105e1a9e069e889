"""Shared by every process: settings, connections, wiring, logs, readiness and stopping."""
