"""What is looked at before a model is loaded: each module asks one question of the rows or the machine.

An audit is a function that yields findings and puts its figures into the report. None of them changes anything.
"""
