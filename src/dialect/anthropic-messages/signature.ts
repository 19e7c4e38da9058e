/**
 * Stands in for a vendor's signature on the thinking of a local model: clients expect one. It is taken off again when
 * a client sends the block back, so that it never reaches the vendor, which would refuse it.
 */
export const LOCAL_SIGNATURE = "ZmxvY2stbG9jYWwtdGhpbmtpbmc=";
