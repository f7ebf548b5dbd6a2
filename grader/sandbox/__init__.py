"""Kernels for hostile code: bubblewrap around them, limits on what they use, and a quick start."""

__all__ = ["bubblewrap", "cgroups", "clients", "kernels", "usage", "warm"]
