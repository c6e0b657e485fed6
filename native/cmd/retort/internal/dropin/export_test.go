package dropin

// Pinned is how the text of NAME.sha256 is read.
var Pinned = pinned
