"""Base models: opened, checked, given a head and perhaps adapters, saved and loaded again.

The way of a model: `open_base` (config and tokenizer) -> `load_model` (weights) -> training, with
`trainable_state` for cheap snapshots -> `save_adapter` and `merge_adapters` -> `save_model` -> `load_saved_model`.
peft is imported in this package alone.

This file imports nothing: `spec` and `record` are read where torch is not.
"""
