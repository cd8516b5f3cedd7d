"""Checks and their verdict, as a table for people."""


class Checks:
    """Collects checks; `passed` when all held."""

    def __init__(self):
        self.rows = []

    @property
    def passed(self):
        """Whether every check held."""
        return all(held for held, _, _ in self.rows)

    def holds(self, what, held, otherwise=""):
        """A check that holds or not."""
        self.rows.append((bool(held), what, "" if held else otherwise))

    def equal(self, what, found, expected):
        """A number that must be exactly another."""
        self.rows.append((found == expected, what, f"{found}" if found == expected else f"{found}, not {expected}"))

    def at_least(self, what, found, least, unit=""):
        """A number that must reach another."""
        self.rows.append((found >= least, what, f"{found:g}{unit} (at least {least:g}{unit})"))

    def note(self, what, value):
        """A number without a verdict."""
        self.rows.append((True, what, str(value)))

    def print(self):
        """Prints the table."""
        width = max(len(what) for _, what, _ in self.rows)
        for held, what, value in self.rows:
            print(f"{'ok  ' if held else 'FAIL'}  {what:<{width}}  {value}".rstrip())
