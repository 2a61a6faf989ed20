"""What every mode of the server is made of, surrounded by and run with."""
