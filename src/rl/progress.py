"""The progress bar of training, whatever library trains."""

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def training_bar(*, shown: bool) -> Progress:
    """A bar whose task has a field `figures`, a text beside it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        disable=not shown,
    )
