"""Every message on the wire: `requests` is what a client may say, `answers` what it hears."""
