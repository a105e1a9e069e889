"""One module a sub-command. What is heavy is imported when the command runs, so that `--help` answers at once."""
