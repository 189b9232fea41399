"""Groups: their elements, products, actions on space, and irreducible representations."""
