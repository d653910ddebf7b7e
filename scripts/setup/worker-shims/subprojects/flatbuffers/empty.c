/* A static library needs one source. */
typedef int antipode_shim_is_empty;
