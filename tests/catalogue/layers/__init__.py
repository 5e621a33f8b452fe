"""Layers with hand-written forward and backward passes, each with the places of its bugs."""
