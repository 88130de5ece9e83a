"""HTTP API and web page that translate with trained runs."""
