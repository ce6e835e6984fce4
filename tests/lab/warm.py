"""Imported once, by the process that drivers are forked from."""

from tests.lab.driver import warm_up

warm_up()
