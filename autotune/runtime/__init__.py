"""Processes, signals, files and streams: general code that every other package may use."""
