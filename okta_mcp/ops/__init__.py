"""What operators need beside the service itself: people's log, and the headers of every answer."""
