"""Odd steps of long series, found by autoencoders over their windows."""
