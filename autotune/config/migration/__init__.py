"""Configurations of other tools, AutoTrain and the example scripts of transformers, become experiments of autotune."""
