// Package protocoltest has nothing but tests: of the handlers for real protocols, each as it is built in and as the
// guest in testdata/handlers that wraps it. The two must be equal byte for byte, and clients that were written
// elsewhere must understand both.
//
// A protocol NAME has a file NAME_test.go here with three tests, which read like this:
//
//	func TestDifferentialNAME(t *testing.T) { differential(t, "NAME", config, nextRequest) }
//	func TestVectorsNAME(t *testing.T)      { answersVectors(t, "NAME") }
//	func TestClientNAME(t *testing.T)       { eachBuild(t, "NAME", config, func(t *testing.T, server netip.AddrPort) {...}) }
//
// The first compares the two by 100,000 datagrams, by 5,000 with -short, and by more with "-requests N -seed M".
package protocoltest
