"""Who may do what: tokens, issuers, rights, origins, rate limits."""
