"""Collects checks and prints them as a table."""


class Checks:
    """A list of checks. `passed` if all of them passed."""

    def __init__(self):
        self.rows = []

    @property
    def passed(self):
        """Whether every check passed."""
        return all(held for held, _, _ in self.rows)

    def holds(self, what, held, otherwise=""):
        """Adds a condition. `otherwise` explains a failure."""
        self.rows.append((bool(held), what, "" if held else otherwise))

    def equal(self, what, found, expected):
        """Adds a value that must equal the expected one."""
        self.rows.append((found == expected, what, f"{found}" if found == expected else f"{found}, not {expected}"))

    def at_least(self, what, found, least, unit=""):
        """Adds a number with a lower bound."""
        self.rows.append((found >= least, what, f"{found:g}{unit} (at least {least:g}{unit})"))

    def note(self, what, value):
        """Adds a value that is only shown."""
        self.rows.append((True, what, str(value)))

    def print(self):
        """Prints the table."""
        width = max(len(what) for _, what, _ in self.rows)
        for held, what, value in self.rows:
            print(f"{'ok  ' if held else 'FAIL'}  {what:<{width}}  {value}".rstrip())
