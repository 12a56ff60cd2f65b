"""Configuration: Hydra in, a checked and typed `RunConfig` out."""
