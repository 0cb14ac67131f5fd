"""What the data say of a program: estimates, their errors and draws, comparison and prediction."""
