"""The gated PixelCNN: its network, and the sampler that walks over maps."""
