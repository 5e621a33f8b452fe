"""What is checked: parameters, functions, gradients, switches, penalties, rows."""
