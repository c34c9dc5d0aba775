"""Models with discrete codes, and the prior over these."""
