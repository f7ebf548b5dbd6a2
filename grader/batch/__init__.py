"""A whole class graded at once, by processes of this machine or of a cluster."""

__all__ = ["parcels", "whole_class", "workers"]
