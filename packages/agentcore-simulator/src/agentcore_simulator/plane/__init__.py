"""The control plane: gateways, targets, and what each operation does with them."""
