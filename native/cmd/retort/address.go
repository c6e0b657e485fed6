package main

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

// loopback is where a server listens and a client asks unless told otherwise, as in the teaching listing.
const loopback = "127.0.0.1"

// address returns the host and port that arg names, in the form that package net takes: HOST, HOST:PORT,
// an IPv6 address with or without brackets, or [IPv6]:PORT. A host without a port takes port's. An empty
// host, as in ":1060", is every address of this machine.
func address(arg string, port flagtype.Port) (string, error) {
	host, digits, err := splitAddress(arg)
	if err == nil && digits != "" {
		err = port.Set(digits)
	}
	if err != nil {
		return "", usagef("%q is no address: %w", arg, err)
	}
	n, err := port.Number()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(n))), nil
}

// splitAddress returns the parts of an address; digits is "" when there is no port in it.
func splitAddress(arg string) (host, digits string, err error) {
	host = arg
	if strings.HasPrefix(arg, "[") && strings.HasSuffix(arg, "]") {
		host = arg[1 : len(arg)-1]
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host, "", nil
	}
	if strings.Contains(arg, ":") {
		host, digits, err = net.SplitHostPort(arg)
		if err != nil || digits == "" {
			return "", "", errors.New("it is HOST, HOST:PORT or [IPv6]:PORT")
		}
	}
	if strings.ContainsAny(host, "[]") {
		return "", "", errors.New("brackets are for IPv6 addresses")
	}
	return host, digits, nil
}
