"""Architectures built of the layers, and the two points at which each is checked."""
