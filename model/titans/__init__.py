"""The paper as a library: neural memories that learn while they read, and the blocks that join them to attention."""
