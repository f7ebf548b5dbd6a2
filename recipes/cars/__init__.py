"""Trains the car network on scenes and photographs, and measures it; docs/model-card.md has the figures."""
