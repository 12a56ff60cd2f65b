"""The run folder: files, status, checkpoints, and how a run is resumed."""
