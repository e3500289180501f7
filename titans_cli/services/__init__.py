"""What the program does. Each service returns a frozen result and prints nothing."""
