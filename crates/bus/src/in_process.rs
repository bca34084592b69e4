//! The bus of one process. Under construction.
