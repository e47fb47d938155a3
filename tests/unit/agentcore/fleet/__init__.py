"""The AWS side under the whole operator, in virtual time."""
