"""What happens in what order, for a principal. Every method asks for permission before it acts."""
