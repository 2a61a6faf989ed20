"""A clock that stands still until a test moves it."""

START = 1_800_000_000.0


class Clock:
    """Epoch seconds; call it to read it."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds
