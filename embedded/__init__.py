"""The stack on one machine: engines from Python wheels and our processes, under one supervisor."""
