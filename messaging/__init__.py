"""How services talk by events. It knows an event with a type and a correlation key, and no saga.

The modules at the top need no framework, and services import them. `sql` and `kafka` are for whoever puts a program
together.
"""
