"""Models with a normal posterior over codes."""
