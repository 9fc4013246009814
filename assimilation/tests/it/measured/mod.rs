//! Numbers that are looked at, not asked for: minutes each, run by name.

mod guided_local;
