"""Pure ASGI, outermost first: request context, security headers, rate limit, authentication."""
