"""What the program does, without a word on the screen: each use case returns a frozen result."""
