"""The command line, one module per sub-command. Slow imports are inside the functions, so that `--help` is fast."""
