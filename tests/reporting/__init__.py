"""Tests of autotune/reporting."""
