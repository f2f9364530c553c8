"""Who calls: client tokens, published keys, tokens used once, tenants, SMART App Launch."""
