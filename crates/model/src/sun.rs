//! The sun over a site. Under construction.
