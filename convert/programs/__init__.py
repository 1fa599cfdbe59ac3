"""One module a component: ML Programs written from config and tensors."""
