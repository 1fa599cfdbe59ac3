"""What a model folder or file is: layout, components, family."""
