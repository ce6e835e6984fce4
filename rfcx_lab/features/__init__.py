"""Windows of sound, and what the model sees of them."""
