"""A rung as a Keras model, and one fit of it. The only owner of keras."""
