"""Layers that replace vectors by entries of a codebook, or by points of a grid."""
