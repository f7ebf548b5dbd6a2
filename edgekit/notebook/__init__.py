"""Serves notebooks: what only they need."""
