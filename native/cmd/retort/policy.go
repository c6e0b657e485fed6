package main

import (
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

// policyFlags say whom a server answers, and how much.
type policyFlags struct {
	policy       guard.Policy
	allow, deny  flagtype.Prefixes
	servicePorts flagtype.Ports
	explain      bool
}

func (f *policyFlags) add(flags *pflag.FlagSet) {
	p := &f.policy
	flags.Var(&f.allow, "allow", "answer nobody else; of --allow and --deny the narrower network decides")
	flags.Var(&f.deny, "deny", "do not answer these sources")
	flags.BoolVar(&p.AnswerGroup, "answer-broadcast", false,
		"answer datagrams that were sent to a broadcast or multicast address")
	flags.TextVar(&p.RateLimit, "rate-limit", guard.Auto,
		"limit how many datagrams of one network are answered: `on|off|auto`, and auto leaves out loopback")
	flags.IntVar(&p.Rate, "rate", guard.DefaultRate, "answer `N` datagrams a second from one network, at each listener")
	flags.IntVar(&p.Burst, "burst", 0, "answer `N` datagrams at once from one network; 0: a second's worth")
	flags.IntVar(&p.Slip, "slip", 0, "above the rate, answer one in `N` all the same; 0: none")
	flags.IntVar(&p.Prefix4, "prefix4", guard.DefaultPrefix4, "`BITS` of an IPv4 address that tell its network")
	flags.IntVar(&p.Prefix6, "prefix6", guard.DefaultPrefix6, "`BITS` of an IPv6 address that tell its network")
	flags.IntVar(&p.FaultCost, "fault-cost", guard.DefaultFaultCost,
		"count a datagram that the handler fails of as `N` datagrams")
	flags.Float64Var(&p.MaxAmplification, "max-amplification", guard.DefaultMaxAmplification,
		"off loopback, send at most `TIMES` the bytes that came in")
	flags.TextVar(&p.LoopGuard, "loop-guard", guard.Auto,
		"end exchanges with other servers that never would end: `on|off|auto`, and auto is on")
	flags.IntVar(&p.LowPortExchanges, "low-port-exchanges", guard.DefaultLowPortExchanges,
		"do not send one reply in `N` to a peer that always has one request on its way, if its port is a service's")
	flags.IntVar(&p.ClientPortExchanges, "client-port-exchanges", guard.DefaultClientPortExchanges,
		"the same in `N` to a peer whose port is a client's")
	flags.Uint16Var(&p.ClientPorts, "client-ports", guard.DefaultClientPorts,
		"first `PORT` of those that systems give to clients")
	flags.Var(&f.servicePorts, "service-ports", "ports of other services, such as other servers of this kind")
	flags.BoolVar(&p.Acknowledge, "i-know", false,
		"allow --loop-guard=off where others could be flooded by it")
	flags.BoolVar(&f.explain, "explain-guard", false,
		"print the rules that say who is answered, how much and how often, and end")
}

// get returns the policy that flags, which f was added to, make for a server that listens with conns.
func (f *policyFlags) get(flags *pflag.FlagSet, conns []core.Conn) (*guard.Policy, error) {
	// To the Policy zero is its default; who writes a zero means something else.
	for _, name := range []string{"rate", "prefix4", "prefix6", "fault-cost", "max-amplification",
		"low-port-exchanges", "client-port-exchanges", "client-ports"} {
		if flags.Lookup(name).Value.String() == "0" {
			return nil, about(name, usagef("--%s 0: it must be 1 or more", name))
		}
	}
	policy := f.policy
	policy.Allow, policy.Deny, policy.ServicePorts = f.allow, f.deny, f.servicePorts

	var listening []netip.AddrPort
	for _, c := range conns {
		listening = append(listening, c.LocalAddr())
	}
	if err := native.KnowHost(&policy, listening...); err != nil {
		return nil, err
	}
	if err := policy.Validate(listening...); err != nil {
		return nil, usagef("%w", err)
	}
	return &policy, nil
}
