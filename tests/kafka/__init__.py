"""What is tested against a real broker."""
