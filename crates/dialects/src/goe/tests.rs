//! Client and simulated charger wired together in memory, and transcripts of real devices.
