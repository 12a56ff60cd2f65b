"""Checks before a model is loaded: each module asks one question about the rows or the machine.

An audit is a function that yields findings and puts its figures into the report. No audit changes anything.
"""
