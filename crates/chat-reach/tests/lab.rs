use iroh as _; use iroh_relay as _;
