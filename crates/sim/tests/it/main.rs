//! The closed loop: a world, the dialect clients and the engine's core under stepped time.

mod bad_days;
mod closed_loop;
mod day;
mod overload;
