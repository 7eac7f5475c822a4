"""How good predictions of outcomes and of lift are."""
