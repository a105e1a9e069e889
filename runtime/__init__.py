"""What every process shares: settings, connections, wiring, logs, readiness and stopping."""
