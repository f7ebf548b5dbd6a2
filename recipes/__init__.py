"""How the data and the weights that edgekit ships were made. Run from the checkout; not in the wheel (README.md)."""
