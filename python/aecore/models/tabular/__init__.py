"""Models of tables with columns of different kinds."""
