"""What was staked by treaty, on what condition it comes back, and what each world returns."""
