"""What users write: MCPServer types, CRD schema, admission rules, condition and reason names."""
