"""What all objectives share."""
