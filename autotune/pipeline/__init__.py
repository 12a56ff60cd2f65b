"""One function per command: what a run does, in the order in which it does it."""
