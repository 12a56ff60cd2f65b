"""The model card: facts in, README.md out."""
