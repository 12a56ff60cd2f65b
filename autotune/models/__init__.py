"""Base models: opens and checks them, adds heads and adapters, saves and loads fine-tuned models.

Order of the calls: `open_base` (config and tokenizer) -> `load_model` (weights) -> training, with `trainable_state` for
cheap snapshots -> `save_adapter` and `merge_adapters` -> `save_model` -> `load_saved_model`. Only this package imports
peft.

This file imports nothing, because `spec` and `record` are also imported where torch must not be loaded.
"""
