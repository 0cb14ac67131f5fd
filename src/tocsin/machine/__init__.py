"""What the machine refuses, and how a command ends when it is told to."""
