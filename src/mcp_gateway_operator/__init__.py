"""Keeps AWS Bedrock AgentCore gateway targets in step with MCPServer objects on Kubernetes."""

__version__ = "0.2.0"
