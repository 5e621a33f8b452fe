"""Which branches the loss takes: operations seen while a block moves by a hair."""
