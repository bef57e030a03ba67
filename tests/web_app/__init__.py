"""The browser app in a real browser."""
