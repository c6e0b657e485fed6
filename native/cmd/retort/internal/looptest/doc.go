// Package looptest has nothing but tests: of what the guard does to loops and to honest clients on real sockets. One
// forged datagram sets servers upon each other, on this host and on two that are joined by a link. The guests in
// testdata/handlers take part in the simulations of package guardtest, too.
//
// Forging takes a raw socket, and so Linux and a root; where these are missing tests are skipped.
package looptest
