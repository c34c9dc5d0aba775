"""What every room stands on: parameters, checks, random streams, workspaces."""
