"""Durable bytes: content-addressed blobs, and the formats by which values become bytes and back."""
