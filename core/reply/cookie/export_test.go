package cookie

// Sum is SipHash-2-4, for its test vectors.
func Sum(k Key, b []byte) uint64 { return newSipKey(k).sum(b) }
