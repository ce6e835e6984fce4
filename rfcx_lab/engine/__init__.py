"""Where fits are made: their keys and store, and who works on them."""
