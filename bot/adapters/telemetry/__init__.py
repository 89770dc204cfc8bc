"""What the bot tells: structured logs without secrets, metrics from one statement of the book, and the endpoints that serve them."""
