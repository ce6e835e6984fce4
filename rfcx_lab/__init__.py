"""Where does an audio classifier begin to overfit? See README.md."""

__version__ = "0.1.0"
