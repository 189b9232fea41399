"""One module of checks per room; `darboux.testing` exports them all."""
