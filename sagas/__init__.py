"""What the workflows of every saga need. It knows no order: a saga brings its steps, reasons and ends.

A saga's workflow is written in its own words from these parts: `compensations` undo what was done, `decision` lets the
steps run until they end, are cancelled or run out of time, `attention` waits for an operator, and `status` shows where
the saga is. `witness` watches a saga that runs without a workflow.
"""
