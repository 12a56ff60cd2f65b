"""`autotune auto`: from a user's file to the best model that its rows can prove, within a budget."""
