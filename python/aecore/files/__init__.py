"""Models as files: the container, what stands in it, and who reads it."""
