"""Chooses task, columns, models and settings for data alone: `autotune auto DATA`."""
