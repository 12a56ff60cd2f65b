"""Methods without a neural network, which a fine-tuned model has to beat: fast, deterministic, fitted on train alone."""
