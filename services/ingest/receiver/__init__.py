"""Takes deliveries over HTTP: believes only what is signed, and says yes only to what is durable."""
