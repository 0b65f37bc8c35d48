"""What commands print: console, tables, the result of the demo. What is printed is computed elsewhere."""
