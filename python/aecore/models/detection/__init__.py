"""Outliers found by autoencoders."""
