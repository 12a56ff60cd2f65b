"""Processes, signals, files and streams: what every other room may use, and none of it knows machine learning."""
