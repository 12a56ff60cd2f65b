"""The run folder: files, status and checkpoints of a run, and how a run resumes."""
