"""Stacks of layers that are trained one by one, and what is built on them."""
