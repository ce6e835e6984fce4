"""Where does an audio classifier begin to overfit? See README.md."""
