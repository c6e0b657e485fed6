package guard

// Verdict is why a datagram is answered or not.
type Verdict uint8

// The verdicts, in the order in which they are reached.
const (
	Admit         Verdict = iota // answer it
	PortZero                     // from port 0, which nobody can receive on (RFC 768)
	Unspecified                  // from 0.0.0.0/8 or ::, which is no host (RFC 6890)
	Multicast                    // from a multicast address, which is never a source (RFC 1112, RFC 4291)
	Broadcast                    // from a broadcast address, which is never a source (RFC 1122, section 3.2.1.3)
	Own                          // from an address that this server or Policy.Own has: we would answer ourselves
	Denied                       // from a prefix that is denied, or from outside those that are allowed
	Group                        // sent to a broadcast or multicast address
	Rate                         // its prefix sends more than it may
	Response                     // an answer, says the handler: answering answers never ends
	Returned                     // it is what we last said to this peer, coming back
	Amplification                // the reply is too long for so short a request
	Loop                         // the reply was withheld, and the peer did not go on without it

	Verdicts // how many there are
)

var verdictNames = [Verdicts]string{
	Admit:         "admit",
	PortZero:      "port-zero",
	Unspecified:   "unspecified-source",
	Multicast:     "multicast-source",
	Broadcast:     "broadcast-source",
	Own:           "own-address",
	Denied:        "denied",
	Group:         "group-destination",
	Rate:          "rate",
	Response:      "response",
	Returned:      "returned",
	Amplification: "amplification",
	Loop:          "loop",
}

// String returns a name that is fit for logs and metrics, such as "port-zero".
func (v Verdict) String() string {
	if v < Verdicts {
		return verdictNames[v]
	}
	return "unknown"
}
