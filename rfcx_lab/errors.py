"""The one error a user is meant to read."""


class LabError(Exception):
    """Bad input or an impossible request, told in one sentence: where it is, and how to mend it.

    The command line prints the sentence and exits with status 1; any other exception is a bug.
    """
