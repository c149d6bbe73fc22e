"""How a ledger's tables came to be what they are, one module for each revision."""
