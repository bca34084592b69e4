//! An authority's books of the operators it watches over.
//!
//! What operators register and report comes in here in types of the model; what it means, what is odd about it
//! and what is dangerous is decided here, whatever dialect it came in and whatever page shows it.
